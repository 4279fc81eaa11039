/** What an image that is made of a container says of how its containers are run. */
import { MiniError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { applyChange } from "../images/change.ts";
import { Store } from "../images/store.ts";
import type { ContainerConfig as ImageSettings } from "../images/types.ts";
import type { Containers } from "./containers.ts";
import { DEFAULT_PATH } from "./create.ts";
import type { ContainerConfig, ContainerRecord } from "./record.ts";
import { readUserFiles, resolveUser } from "./users.ts";
import { openView } from "./view.ts";

/**
 * The image's settings with what was said when the container was made, and then the changes. What mini gives every container
 * by itself (HOSTNAME, HOME …) is no part of it: the next one has its own.
 *
 * @throws {MiniError} for a malformed change.
 */
export function imageConfigOf(
  containers: Containers,
  record: ContainerRecord,
  image: ImageSettings,
  changes: readonly string[],
): ImageSettings {
  const { config } = record;
  // An image does not hand on what it asks of images that are built on it.
  const { OnBuild: _, ...base } = image;
  const settings: ImageSettings = {
    ...base,
    User: config.user,
    Env: ownEnv(config, image.Env ?? [], homeIn(containers, record)),
    Entrypoint: [...config.entrypoint],
    Cmd: [...config.cmd],
    WorkingDir: config.workingDir === "/" ? image.WorkingDir ?? "" : config.workingDir,
    Labels: { ...config.labels },
    ExposedPorts: { ...image.ExposedPorts, ...Object.fromEntries(portsOf(config).map((port) => [port, {}])) },
    Volumes: { ...image.Volumes, ...Object.fromEntries(ownVolumes(record).map((path) => [path, {}])) },
    ...config.health ? { Healthcheck: config.health.check } : {},
    ...(config.stopSignal !== "SIGTERM" || image.StopSignal !== undefined ? { StopSignal: config.stopSignal } : {}),
  };
  const changed = new Set<string>();
  for (const line of changes) {
    const before = settings.Cmd;
    applyChange(settings, line);
    const instruction = line.trim().split(/\s/)[0]!.toUpperCase();
    // A command goes with its entrypoint, as in a Dockerfile.
    if (instruction === "ENTRYPOINT" && !changed.has("CMD") && before === settings.Cmd) settings.Cmd = [];
    changed.add(instruction);
  }
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => !isEmpty(value)));
}

/** `80/tcp`: what is exposed, and what is published. */
const portsOf = ({ exposed = [], publish = [] }: ContainerConfig) => [
  ...exposed,
  ...publish.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`),
];

/** Where the volumes are that were made for it, as an image's VOLUME would make them. */
const ownVolumes = ({ mounts = [] }: ContainerRecord) =>
  mounts.filter(({ anonymous, by }) => anonymous && by !== "volumes-from").map(({ destination }) => destination);

const isEmpty = (value: unknown) =>
  value === undefined || value === "" ||
  (typeof value === "object" && value !== null && Object.keys(value).length === 0);

/** The environment without what every container is given by itself. */
function ownEnv({ env, hostname, tty }: ContainerConfig, image: readonly string[], home: string): string[] {
  const given = [DEFAULT_PATH, `HOSTNAME=${hostname}`, `HOME=${home}`, ...tty ? ["TERM=xterm"] : []];
  return env.filter((entry) => image.includes(entry) || !given.includes(entry));
}

/** The home of a container's user; empty when there is no such user any more. */
function homeIn(containers: Containers, { id, layers, config }: ContainerRecord): string {
  const folder = containers.folder(id), store = new Store(containers.root);
  const root = openView({
    layers: layers.map((diffID) => store.layers.path(diffID)),
    upper: `${folder}/upper`,
    target: `${folder}/merged`,
  });
  try {
    return resolveUser(config.user, readUserFiles(root)).home;
  } catch (error) {
    if (error instanceof MiniError) return ""; // it has taken its own user out of /etc/passwd
    throw error;
  } finally {
    close(root);
  }
}
