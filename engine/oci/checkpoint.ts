/** `checkpoint`: writes a running container down, and ends it. */
import { MiniError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import type { OciContainers } from "./containers.ts";
import { checkCriuSpec, type CriuOptions, externalMounts, findCriu, lastError, openFolder } from "./criu.ts";
import { forget } from "./delete.ts";
import type { Warn } from "./hooks.ts";

/** The file beside CRIU's own that says what it has to be told again. */
export const FACTS = "mini.json";

/** What is in it. */
export interface Facts {
  /** What the standard streams were, as /proc/PID/fd shows them. */
  readonly streams: readonly string[];
  /** Files that are hidden by the null device. */
  readonly masked: readonly string[];
}

/** Those of the paths to hide that are files, and are hidden by the null device of the host. */
function maskedFiles(pid: number, paths: readonly string[]): string[] {
  return paths.filter((path) => {
    try {
      return Deno.lstatSync(`/proc/${pid}/root${path}`).isCharDevice === true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
      throw error;
    }
  });
}

/**
 * Writes a container down.
 *
 * @param leaveRunning it goes on afterwards; otherwise it is ended, and deleted.
 * @throws {MiniError} without CRIU, or when CRIU cannot do it: the container goes on then.
 */
export async function checkpoint(
  containers: OciContainers,
  id: string,
  options: CriuOptions & { readonly leaveRunning: boolean },
  warn: Warn,
): Promise<void> {
  const criu = findCriu(), lock = containers.lock(id);
  try {
    const record = containers.read(id), status = containers.status(record);
    if (status !== "running" && status !== "paused") throw new MiniError(`container not running: ${id} is ${status}`);
    const spec = await containers.spec(record);
    checkCriuSpec(spec);
    for (const folder of [options.images, options.work]) close(openFolder(folder, true));
    const facts: Facts = {
      streams: [0, 1, 2].map((fd) => Deno.readLinkSync(`/proc/${record.pid}/fd/${fd}`)),
      masked: maskedFiles(record.pid, spec.linux?.maskedPaths ?? []),
    };
    Deno.writeTextFileSync(`${options.images}/${FACTS}`, JSON.stringify(facts), { mode: 0o600 });
    const external = [...externalMounts(spec).map(({ inside }) => inside), ...facts.masked];
    const { success } = new Deno.Command(criu, {
      args: [
        ...["dump", "--tree", `${record.pid}`, "--images-dir", options.images, "--work-dir", options.work],
        ...["--log-file", "dump.log", "-v4", "--manage-cgroups=ignore", "--root", record.rootfs],
        ...external.flatMap((path) => ["--external", `mnt[${path}]:${path}`]),
        ...record.cgroup === undefined ? [] : ["--freeze-cgroup", record.cgroup],
        ...options.leaveRunning ? ["--leave-running"] : [],
        ...options.flags,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).outputSync();
    if (!success) throw new MiniError(`criu cannot checkpoint ${id}: ${lastError(`${options.work}/dump.log`)}`);
    if (!options.leaveRunning) await forget(containers, record, warn);
  } finally {
    close(lock);
  }
}
