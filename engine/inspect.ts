/** A container as `docker inspect` shows one. */
import { isAbsolute } from "@std/path";
import { Store } from "../images/store.ts";
import { type Containers, type Found, NoSuchContainer } from "./containers.ts";
import { healthOf } from "./health/file.ts";
import { hostConfig } from "./inspect_host.ts";
import { explainEnd } from "./limits_end.ts";
import { logPlace } from "./log_place.ts";
import { configVolumes, mountPoints, specOf } from "./mounts.ts";
import { networkSettings } from "./network_inspect.ts";
import { networksOf } from "./network_view.ts";

const NEVER = "0001-01-01T00:00:00Z";

/** @throws {NoSuchContainer} when the container is removed meanwhile. */
export function inspection(containers: Containers, found: Found): Record<string, unknown> {
  const { record } = found, folder = containers.folder(record.id), { config } = record;
  const spec = specOf(containers, record);
  if (!spec) throw new NoSuchContainer(record.name);
  const isFolder = isAbsolute(record.image), health = healthOf(containers, found);
  const etc = (name: string) => isFolder ? "" : `${folder}/${name}`;
  return {
    Id: record.id,
    Created: record.created,
    Path: config.args[0],
    Args: config.args.slice(1),
    State: { ...state(found), ...health ? { Health: health } : {} },
    Image: record.imageId ?? "",
    ResolvConfPath: etc("resolv.conf"),
    HostnamePath: etc("hostname"),
    HostsPath: etc("hosts"),
    LogPath: record.log.driver === "none" ? "" : logPlace(containers, record).logFolder,
    Name: `/${record.name}`,
    RestartCount: record.restartCount ?? 0,
    Driver: "overlayfs",
    Platform: "linux",
    MountLabel: spec.linux?.mountLabel ?? "",
    ProcessLabel: spec.process.selinuxLabel ?? "",
    AppArmorProfile: spec.process.apparmorProfile ?? "",
    HostConfig: hostConfig(record, spec),
    GraphDriver: { Name: "overlayfs", Data: isFolder ? null : layers(containers, found) },
    Mounts: mountPoints(containers, record),
    NetworkSettings: networkSettings(record, networksOf(containers, record.id), found.running?.pid ?? 0),
    Config: {
      ...config.exposed ? { ExposedPorts: Object.fromEntries(config.exposed.map((port) => [port, {}])) } : {},
      Hostname: config.hostname,
      Domainname: config.domainname ?? "",
      User: config.user,
      AttachStdin: config.openStdin,
      AttachStdout: true,
      AttachStderr: true,
      Tty: config.tty,
      OpenStdin: config.openStdin,
      StdinOnce: config.openStdin,
      Env: config.env,
      Cmd: config.cmd.length > 0 ? config.cmd : null,
      Image: record.image,
      Volumes: configVolumes(record),
      WorkingDir: config.workingDir,
      Entrypoint: config.entrypoint.length > 0 ? config.entrypoint : null,
      ...config.health ? { Healthcheck: config.health.check } : {},
      OnBuild: null,
      Labels: config.labels,
      StopSignal: config.stopSignal,
      ...config.stopTimeout === undefined ? {} : { StopTimeout: config.stopTimeout },
    },
  };
}

function state({ record, status, running }: Found): Record<string, unknown> {
  const { end } = record;
  return {
    Status: status,
    // As in Docker, also what is paused, or about to be started again.
    Running: running !== undefined || status === "restarting",
    Paused: status === "paused",
    Restarting: status === "restarting",
    OOMKilled: end?.oomKilled !== undefined,
    Dead: false,
    Pid: running?.pid ?? 0,
    ExitCode: end?.exitCode ?? 0,
    Error: end?.error ?? (end && explainEnd(end)) ?? "",
    StartedAt: record.startedAt ?? NEVER,
    FinishedAt: end?.finishedAt ?? NEVER,
  };
}

/** The folders of its root, as overlayfs is told of them: the top layer first. */
function layers(containers: Containers, { record }: Found): Record<string, string> {
  const store = new Store(containers.root), folder = containers.folder(record.id);
  return {
    LowerDir: record.layers.map((diffID) => store.layers.path(diffID)).reverse().join(":"),
    MergedDir: `${folder}/merged`,
    UpperDir: `${folder}/upper`,
    WorkDir: `${folder}/work`,
  };
}
