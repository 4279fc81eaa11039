/**
 * The containers of this host, on disk. Nothing is kept in memory and nobody has to be asked: what runs is found in
 * STATE (gone with a reboot), what there is in ROOT.
 *
 *     ROOT/containers/ID/container.json   the record (record.ts)
 *     ROOT/containers/ID/config.json      the OCI specification
 *     ROOT/containers/ID/{upper,work,merged}
 *     ROOT/names/NAME                     a symbolic link to ID: making it is what takes the name
 *     STATE/containers/ID/state.json      what runs
 *     STATE/containers/ID/lock            locked (flock) by the process that runs it; the kernel unlocks it when that dies
 */
import { O_CREAT, O_RDWR } from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { open, tryLock } from "../ffi/open.ts";
import { killCgroup, removeCgroup } from "../runtime/cgroup.ts";
import { checkName, randomName } from "./names.ts";
import {
  type ContainerEnd,
  type ContainerRecord,
  type ContainerStatus,
  RECORD_VERSION,
  type RunningState,
} from "./record.ts";

/** A container as it is now. */
export interface Found {
  readonly record: ContainerRecord;
  readonly status: ContainerStatus;
  readonly running?: RunningState;
}

/** Reads JSON of ours; undefined if there is none. A file that a crash cut short counts as none. */
function readJson<T>(path: string): T | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

/** Writes a file so that whoever reads it sees the old content or the new, never a part. */
export function writeFile(path: string, content: string): void {
  Deno.writeTextFileSync(`${path}.tmp`, content, { mode: 0o600 });
  Deno.renameSync(`${path}.tmp`, path);
}

function names(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), (entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

export class Containers {
  /** @param root for example `/var/lib/mini`. @param state for example `/run/mini`. */
  constructor(readonly root: string, readonly state: string) {}

  folder(id: string): string {
    return `${this.root}/containers/${id}`;
  }

  stateFolder(id: string): string {
    return `${this.state}/containers/${id}`;
  }

  /**
   * Takes an id and a name, and locks the container for this process.
   *
   * @param name without one, one is made up.
   * @returns the name, and the lock's descriptor: it stays open as long as the container is ours.
   * @throws {MiniError} when the name is taken or is none.
   */
  reserve(id: string, name: string | undefined): { name: string; lock: number } {
    if (name !== undefined) checkName(name);
    // Locked before it gets its name, so that no other command ever sees it unlocked and takes it for a leftover.
    const making = this.stateFolder(`.${id}`);
    Deno.mkdirSync(making, { recursive: true, mode: 0o700 });
    const lock = open(`${making}/lock`, O_CREAT | O_RDWR, 0o600);
    try {
      tryLock(lock);
      Deno.renameSync(making, this.stateFolder(id));
      Deno.mkdirSync(this.folder(id), { recursive: true, mode: 0o700 });
      return { name: this.#takeName(id, name), lock };
    } catch (error) {
      this.forget(id, undefined);
      close(lock);
      throw error;
    }
  }

  #takeName(id: string, wanted: string | undefined): string {
    const folder = `${this.root}/names`;
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (let tries = 0;; tries++) {
      const name = wanted ?? (tries < 20 ? randomName() : `${randomName()}_${id.slice(0, 6)}`);
      try {
        Deno.symlinkSync(id, `${folder}/${name}`);
        return name;
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      }
      const owner = Deno.readLinkSync(`${folder}/${name}`);
      // The name of a container that was never finished, or whose removal was interrupted: its folder goes first.
      if (!names(this.root + "/containers").includes(owner)) this.#dropName(name, owner);
      else if (wanted !== undefined) {
        throw new MiniError(
          `the name ${name} is taken by container ${
            owner.slice(0, 12)
          }; remove that with 'mini rm ${name}', or choose another name`,
        );
      }
    }
  }

  /** Removes a name if it still belongs to `id`. */
  #dropName(name: string, id: string): void {
    const path = `${this.root}/names/${name}`;
    try {
      if (Deno.readLinkSync(path) === id) Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  write(record: ContainerRecord): void {
    writeFile(`${this.folder(record.id)}/container.json`, JSON.stringify(record));
  }

  writeState(state: RunningState): void {
    writeFile(`${this.stateFolder(state.id)}/state.json`, JSON.stringify(state));
  }

  /** Writes down that a container has ended; nothing of it runs any more. */
  ended(record: ContainerRecord, end: ContainerEnd): void {
    record.end = end;
    this.write(record);
    remove(this.stateFolder(record.id));
  }

  /** Removes all of a container: what it changed, its record, its name. In an order that a crash leaves findable. */
  forget(id: string, name: string | undefined): void {
    remove(this.folder(id));
    if (name !== undefined) this.#dropName(name, id);
    remove(this.stateFolder(id));
  }

  /** The record of a container; undefined when there is none that could be read. @throws {MiniError} for one of a newer mini. */
  #record(id: string): ContainerRecord | undefined {
    const record = readJson<ContainerRecord>(`${this.folder(id)}/container.json`);
    if (record && record.version > RECORD_VERSION) {
      throw new MiniError(
        `container ${id.slice(0, 12)} was made by a newer mini (record version ${record.version}): use that one`,
      );
    }
    return record;
  }

  /** Every container, the newest first. Sweeps first. */
  async list(): Promise<Found[]> {
    await this.sweep();
    const found = names(`${this.root}/containers`).flatMap((id) => {
      const one = this.#find(id);
      return one ? [one] : [];
    });
    return found.sort((a, b) => b.record.created < a.record.created ? -1 : 1);
  }

  /** The container of a whole id as it is now; undefined if there is none. Sweeps first. */
  async find(id: string): Promise<Found | undefined> {
    await this.sweep();
    return this.#find(id);
  }

  #find(id: string): Found | undefined {
    const record = this.#record(id);
    if (!record) return undefined;
    const running = readJson<RunningState>(`${this.stateFolder(id)}/state.json`);
    if (running && running.status === "running") return { record, running, status: "running" };
    return { record, status: record.end || record.startedAt ? "exited" : "created" };
  }

  /**
   * The container of a name, an id, or the beginning of an id.
   *
   * @throws {MiniError} when there is none, or more than one.
   */
  async get(text: string): Promise<Found> {
    await this.sweep();
    let id: string | undefined;
    if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(text)) {
      try {
        id = Deno.readLinkSync(`${this.root}/names/${text}`);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
        const ids = names(`${this.root}/containers`).filter((name) => name.startsWith(text));
        if (ids.length > 1) {
          throw new MiniError(`${text} is the beginning of ${ids.length} containers' ids: give more of it`);
        }
        id = ids[0];
      }
    }
    const found = id === undefined ? undefined : this.#find(id);
    if (!found) throw new MiniError(`there is no container ${text}; 'mini ps -a' lists them`);
    return found;
  }

  /**
   * Clears up after commands that were killed: a container whose owner is gone ends here, or goes if it was to be removed.
   * What runs, and what another command is just making, is left alone: it is locked.
   *
   * @returns the ids of what was cleared.
   */
  async sweep(): Promise<string[]> {
    const cleared: string[] = [];
    for (const id of names(`${this.state}/containers`)) {
      if (id.startsWith(".") && !this.#isOld(id)) continue;
      const lock = this.#lock(id);
      if (!lock) continue;
      try {
        await this.#clearUp(id);
        cleared.push(id.replace(/^\./, ""));
      } finally {
        if (lock.fd !== undefined) close(lock.fd);
      }
    }
    return cleared;
  }

  /** Locks a container that nobody holds; undefined if somebody does. Without a lock file it is half removed: nobody's. */
  #lock(id: string): { fd?: number } | undefined {
    let fd: number;
    try {
      fd = open(`${this.stateFolder(id)}/lock`, O_RDWR);
    } catch (error) {
      if (error instanceof SyscallError && error.errno === Errno.ENOENT) return {};
      throw error;
    }
    if (tryLock(fd)) return { fd };
    close(fd);
    return undefined;
  }

  /** Whether a state folder that has no name yet is old enough to be a leftover. */
  #isOld(id: string): boolean {
    try {
      const { mtime } = Deno.statSync(this.stateFolder(id));
      return mtime !== null && Date.now() - mtime.getTime() > 60_000;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  async #clearUp(id: string): Promise<void> {
    const running = readJson<RunningState>(`${this.stateFolder(id)}/state.json`);
    if (running?.cgroup) {
      killCgroup(running.cgroup);
      await removeCgroup(running.cgroup);
    }
    const record = this.#record(id);
    if (record && !record.autoRemove && record.startedAt) {
      // Its owner was killed, and it with it.
      if (record.end) remove(this.stateFolder(id));
      else {this.ended(record, {
          exitCode: 137,
          finishedAt: new Date().toISOString(),
          error: "mini was killed while it ran",
        });}
      return;
    }
    this.forget(id, record?.name);
    // A name whose record was never written can only be found by its target.
    for (const name of record ? [] : names(`${this.root}/names`)) this.#dropName(name, id);
  }

  /** Removes what a power loss left: folders without a record, and names without a folder. Only `system check` and `ps` look. */
  async sweepAll(): Promise<string[]> {
    const cleared = await this.sweep();
    for (const id of names(`${this.root}/containers`)) {
      if (names(this.stateFolder(id)).length > 0) continue;
      const record = this.#record(id);
      if (!record || record.autoRemove) {
        this.forget(id, record?.name);
        cleared.push(id);
      } else if (record.startedAt && !record.end) {
        this.ended(record, {
          exitCode: 255,
          finishedAt: new Date().toISOString(),
          error: "the machine was stopped while it ran",
        });
      }
    }
    const ids = new Set(names(`${this.root}/containers`));
    for (const name of names(`${this.root}/names`)) {
      const owner = Deno.readLinkSync(`${this.root}/names/${name}`);
      if (!ids.has(owner)) this.#dropName(name, owner);
    }
    return cleared;
  }
}
