/** Other containers' namespaces and /dev/shm, found when a container is started that joins them. */
import { hasDetachedMounts } from "../ffi/available.ts";
import { O_RDONLY } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { planMount } from "../runtime/plan_view.ts";
import type { NamespaceType, Spec } from "../runtime/spec.ts";
import type { Containers } from "./containers.ts";
import { containerOf, isContainerMode } from "./namespaces.ts";
import { isAlive, openProcess } from "./process.ts";
import { SHM } from "./rights.ts";
import { takeRoot } from "./view.ts";

/** What a specification comes to when all that it joins is there. */
export interface Joined {
  readonly spec: Spec;
  /** Mounts that are attached nowhere, for the mounts of the specification whose source is their descriptor's path. */
  readonly sources: ReadonlyMap<string, number>;
  /** When the container has been started. */
  close(): void;
}

/** What /proc/PID/ns calls them, where that differs from the specification. */
const FILES: Partial<Record<NamespaceType, string>> = { network: "net", mount: "mnt" };

/**
 * Takes hold of what is to be joined.
 *
 * @throws {MiniError} when one of the containers does not run.
 */
export function joinOthers(containers: Containers, spec: Spec): Joined {
  const opened: number[] = [], sources = new Map<string, number>();
  const closeAll = () => opened.splice(0).forEach(close);
  const keep = (fd: number) => {
    opened.push(fd);
    return fd;
  };
  try {
    const namespaces = (spec.linux?.namespaces ?? []).map((namespace) => {
      const { type, path } = namespace;
      if (path === undefined || !isContainerMode(path)) return namespace;
      const fd = keep(openNamespace(containers, containerOf(path), type));
      return { type, path: `/proc/self/fd/${fd}` };
    });
    const mounts = (spec.mounts ?? []).map((mount) => {
      if (!mount.source || !isContainerMode(mount.source)) return mount;
      const fd = keep(openShm(containers, containerOf(mount.source)));
      const source = `/proc/self/fd/${fd}`;
      sources.set(source, fd);
      return { ...mount, source };
    });
    const changed = opened.length > 0;
    return {
      spec: changed ? { ...spec, mounts, linux: { ...spec.linux, namespaces } } : spec,
      sources,
      close: closeAll,
    };
  } catch (error) {
    closeAll();
    throw error;
  }
}

function runningOf(containers: Containers, id: string, what: string) {
  const record = containers.record(id), running = containers.running(id);
  if (!record) throw new MiniError(`container ${id.slice(0, 12)}, whose ${what} is to be joined, is there no more`);
  if (running?.status === "running" && isAlive(running)) return { record, running };
  throw new MiniError(
    `container ${record.name} is not running, so its ${what} cannot be joined: start it first, 'mini start ${record.name}'`,
  );
}

function openNamespace(containers: Containers, id: string, type: NamespaceType): number {
  const { running } = runningOf(containers, id, `${type} namespace`);
  const fd = open(`/proc/${running.pid}/ns/${FILES[type] ?? type}`, O_RDONLY);
  // In this order: if it runs still, the number was its own.
  if (isAlive(running)) return fd;
  close(fd);
  runningOf(containers, id, `${type} namespace`); // tells that it does not
  throw new MiniError(`container ${id.slice(0, 12)} has just been started again: try once more`);
}

function openShm(containers: Containers, id: string): number {
  if (!hasDetachedMounts()) {
    throw new MiniError(
      `${SHM} of another container can be joined by open_tree (Linux 5.2) alone, which is missing here: 'mini system check'`,
    );
  }
  const { record, running } = runningOf(containers, id, SHM);
  const pidfd = openProcess(running);
  if (pidfd === undefined) {
    throw new MiniError(`container ${record.name} has just ended, so its ${SHM} cannot be joined`);
  }
  try {
    return takeRoot((sync) => planMount(pidfd, SHM, sync), { pass: [pidfd] });
  } finally {
    close(pidfd);
  }
}
