/** `restore`: makes a container that goes on where a checkpoint was made. */
import { CLONE_NEWNS, MS_PRIVATE, MS_REC, SIG_SETMASK } from "../../ffi/constants.ts";
import { MiniError } from "../../ffi/errors.ts";
import { shellStatus } from "../../ffi/exit_status.ts";
import { close, syscall } from "../../ffi/kernel.ts";
import { op } from "../../ffi/program.ts";
import { spawn, waitForExit } from "../../ffi/spawn.ts";
import { type Cgroup, cgroupTree, removeCgroup } from "../../runtime/cgroup.ts";
import { startTicks } from "../process.ts";
import { cgroupPlace, takeCgroup } from "./cgroup.ts";
import { FACTS, type Facts } from "./checkpoint.ts";
import type { OciContainers, OciRecord } from "./containers.ts";
import { checkRoot, hookKinds, readBundle, writePidFile } from "./create.ts";
import { checkCriuSpec, type CriuOptions, externalMounts, findCriu, lastError, openFolder } from "./criu.ts";

const MS_BIND = 0x1000;

export interface RestoreOptions extends CriuOptions {
  /** Absolute. */
  readonly bundle: string;
  readonly pidFile?: string | undefined;
  readonly systemdCgroup: boolean;
}

/**
 * Restores a container; it is our child, and lives on when we end.
 *
 * @returns a descriptor of its first process, the caller's to close.
 * @throws {MiniError} without CRIU, or when CRIU cannot do it: nothing is left then.
 */
export async function restore(containers: OciContainers, id: string, options: RestoreOptions): Promise<number> {
  const criu = findCriu(), { json, spec } = readBundle(options.bundle);
  checkRoot(spec);
  checkCriuSpec(spec);
  close(openFolder(options.images, false));
  close(openFolder(options.work, true));
  const facts = readFacts(`${options.images}/${FACTS}`);
  const place = cgroupPlace(spec, id, containers.root, options.systemdCgroup), tree = cgroupTree();
  const lock = containers.reserve(id), folder = containers.folder(id);
  const record: OciRecord = {
    id,
    bundle: options.bundle,
    rootfs: spec.root.path,
    created: new Date().toISOString(),
    owner: "root",
    annotations: spec.annotations ?? {},
    pid: 0,
    hooks: hookKinds(spec),
    restored: true,
    ...tree ? { cgroup: `${tree.root}${place}` } : {},
  };
  let cgroup: Cgroup | undefined;
  try {
    Deno.writeTextFileSync(`${folder}/config.json`, json, { mode: 0o600 });
    containers.write(record);
    if (tree) cgroup = takeCgroup(tree, place, spec);
    const root = `${folder}/root`, pidFile = `${folder}/pid`;
    Deno.mkdirSync(root);
    const args = [
      ...["criu", "restore", "--images-dir", options.images, "--work-dir", options.work, "--log-file", "restore.log"],
      ...["-v4", "--manage-cgroups=ignore", "--root", root, "--restore-detached", "--restore-sibling"],
      ...["--pidfile", pidFile],
      ...externalMounts(spec).flatMap(({ inside, outside }) => ["--external", `mnt[${inside}]:${outside}`]),
      ...facts.masked.flatMap((path) => ["--external", `mnt[${path}]:/dev/null`]),
      // Pipes among the standard streams are our own ones now.
      ...facts.streams.flatMap((name, fd) => name.startsWith("pipe:") ? ["--inherit-fd", `fd[${fd}]:${name}`] : []),
      ...options.flags,
    ];
    runCriu(criu, args, spec.root.path, root, cgroup?.fd, `${options.work}/restore.log`, id);
    const pid = Number(Deno.readTextFileSync(pidFile)), pidStartTicks = startTicks(pid);
    if (pidStartTicks === undefined) throw new MiniError(`criu has restored ${id}, and it ended at once`);
    const pidfd = syscall("pidfd_open", pid, 0);
    containers.write({ ...record, pid, pidStartTicks });
    if (options.pidFile !== undefined) writePidFile(options.pidFile, pid);
    return pidfd;
  } catch (error) {
    if (cgroup) await removeCgroup(cgroup.path);
    containers.remove(id);
    throw error;
  } finally {
    if (cgroup) close(cgroup.fd);
    close(lock);
  }
}

/** @throws {MiniError} for a folder that is no checkpoint of ours. */
function readFacts(file: string): Facts {
  try {
    const { streams, masked } = JSON.parse(Deno.readTextFileSync(file));
    if (![streams, masked].every((list) => Array.isArray(list) && list.every((item) => typeof item === "string"))) {
      throw new Error("it is damaged");
    }
    return { streams, masked };
  } catch (error) {
    throw new MiniError(`${file} of the checkpoint cannot be read: ${(error as Error).message}`, undefined, {
      cause: error,
    });
  }
}

/** CRIU wants a root that is a mount: it gets one, in a mount namespace of its own. */
function runCriu(
  path: string,
  args: readonly string[],
  rootfs: string,
  root: string,
  cgroup: number | undefined,
  log: string,
  id: string,
): void {
  const program = [
    op("unshare", [Number(CLONE_NEWNS)], "a mount namespace for the root alone"),
    op("mount", ["none", "/", 0, MS_REC | MS_PRIVATE, 0], "no mount made here reaches the host", { on: "/" }),
    op("mount", [rootfs, root, 0, MS_BIND | MS_REC, 0], "a root must be a mount", { on: rootfs }),
    op("rt_sigprocmask", [SIG_SETMASK, new Uint8Array(8), 0, 8], "no signal blocked"),
    op("close_range", [3, 0xffffffff, 0], "nothing else of ours is open in it"),
    op(
      "execve",
      [path, args, Object.entries(Deno.env.toObject()).map(([key, value]) => `${key}=${value}`)],
      "become criu",
    ),
  ];
  const { pidfd, results } = spawn(program, { cgroup });
  try {
    const status = shellStatus(waitForExit(pidfd));
    const failure = results.failure();
    if (failure) throw new MiniError(`criu cannot be started: ${failure.operation.why} failed`);
    if (status !== 0) throw new MiniError(`criu cannot restore ${id}: ${lastError(log)}`);
  } finally {
    results.close();
    close(pidfd);
  }
}
