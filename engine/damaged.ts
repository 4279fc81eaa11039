/** Containers whose records cannot be read: they can be seen and removed, and nothing else. */
import { close } from "../ffi/kernel.ts";
import { killCgroup } from "../runtime/cgroup.ts";
import { clearUp } from "./clear.ts";
import type { Containers, Found } from "./containers.ts";
import { takeWhenDone } from "./control.ts";
import { endProcess } from "./process.ts";
import { DEFAULT_LOG, NO_RESTART, RECORD_VERSION } from "./record.ts";

/** What is known of such containers without their records: their ids, their names, and when they were made. */
export function damagedContainers(containers: Containers, ids: readonly string[]): Found[] {
  return ids.map((id) => ({
    status: "dead",
    record: {
      version: RECORD_VERSION,
      id,
      name: containers.namesOf(id).join(","),
      created: timeOf(containers.folder(id)),
      image: "<unknown>",
      layers: [],
      autoRemove: false,
      restart: NO_RESTART,
      log: DEFAULT_LOG,
      config: {
        hostname: "",
        user: "",
        env: [],
        args: [],
        entrypoint: [],
        cmd: [],
        workingDir: "",
        labels: {},
        tty: false,
        openStdin: false,
        stopSignal: "",
        network: "none",
        init: false,
        readonlyRootfs: false,
      },
    },
  }));
}

/** When a container's specification was written, which is never changed; otherwise of its folder. */
function timeOf(folder: string): string {
  for (const path of [`${folder}/config.json`, folder]) {
    try {
      const { mtime } = Deno.statSync(path);
      if (mtime) return mtime.toISOString();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return new Date().toISOString(); // removed just now
}

/**
 * Ends whatever runs of such a container, and removes all that is kept of it. Volumes stay: nothing says which were its own.
 *
 * @throws {MiniError} when a process of it does not end.
 */
export async function removeDamaged(containers: Containers, id: string): Promise<void> {
  const running = containers.running(id);
  if (running) {
    if (running.cgroup) killCgroup(running.cgroup);
    await endProcess(running);
  }
  const lock = await takeWhenDone(containers, id, id.slice(0, 12));
  try {
    await clearUp(containers, id, true);
    containers.forget(id, undefined);
    containers.dropNamesOf(id);
  } finally {
    if (lock.fd !== undefined) close(lock.fd);
  }
}
