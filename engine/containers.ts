/**
 * The containers of this host, on disk. Nothing is kept in memory and nobody has to be asked: what runs is found in
 * STATE (gone with a reboot), what there is in ROOT.
 *
 *     ROOT/containers/ID/container.json   the record (record.ts)
 *     ROOT/containers/ID/config.json      the OCI specification
 *     ROOT/containers/ID/{upper,work,merged}
 *     …/.ID                               what is just being made or removed
 *     ROOT/names/NAME                     a symbolic link to ID: making it is what takes the name
 *     STATE/containers/ID/state.json      what runs
 *     STATE/containers/ID/lock            locked (flock) by the process that runs it; the kernel unlocks it when that dies
 */
import { LOCK_EX, O_CREAT, O_DIRECTORY, O_RDWR } from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { open, tryLock } from "../ffi/open.ts";
import { isFrozen } from "../runtime/cgroup.ts";
import type { Spec } from "../runtime/spec.ts";
import { checkName, randomId, randomName } from "./names.ts";
import { isAlive } from "./process.ts";
import {
  type ContainerEnd,
  type ContainerRecord,
  type ContainerStatus,
  DEFAULT_LOG,
  NO_RESTART,
  RECORD_VERSION,
  restartIsDue,
  type RunningState,
} from "./record.ts";
import { exists } from "../ffi/exists.ts";

/** A container as it is now. */
export interface Found {
  readonly record: ContainerRecord;
  readonly status: ContainerStatus;
  readonly running?: RunningState;
}

/** Reads JSON of ours; undefined if there is no such file, null if what is in it is no object. */
export function readJson<T>(path: string): T | undefined | null {
  let text: string;
  try {
    // A FIFO or a device in its place would keep us for ever.
    if (!Deno.statSync(path).isFile) return null;
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? value as T : null;
  } catch {
    return null;
  }
}

/** What a symbolic link says; undefined if there is none. */
function readLink(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether a record has all that commands read of it. */
function isWhole(record: ContainerRecord, id: string): boolean {
  const { config } = record;
  return record.version === RECORD_VERSION && record.id === id && typeof record.name === "string" &&
    typeof record.created === "string" && typeof record.image === "string" && Array.isArray(record.layers) &&
    typeof config === "object" && config !== null && Array.isArray(config.args) && typeof config.labels === "object" &&
    typeof config.stopSignal === "string";
}

/** Writes a file so that whoever reads it sees the old content or the new, never a part. */
export function writeFile(path: string, content: string): void {
  const unfinished = `${path}.tmp`;
  try {
    Deno.writeTextFileSync(unfinished, content, { mode: 0o600 });
    Deno.renameSync(unfinished, path);
  } catch (error) {
    remove(unfinished);
    throw error;
  }
}

function names(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), (entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Removes a file or folder, even while another command is removing it, too. */
function remove(path: string): void {
  for (let tries = 0;; tries++) {
    try {
      return Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound && !exists(path)) return;
      if (!(error instanceof Deno.errors.NotFound) || tries > 100) throw error;
    }
  }
}

/** Removes a folder of which nobody ever sees a half: it gets another name first. */
function removeAtOnce(path: string, unnamed: string): void {
  try {
    Deno.renameSync(path, unnamed);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  remove(unnamed); // also what an earlier command did not come to the end of
}

/** There is nothing of that name or id. */
export class NoSuchContainer extends MiniError {
  override name = "NoSuchContainer";
  constructor(text: string) {
    super(`No such container: ${text}; 'mini ps -a' lists them`);
  }
}

/** What is written down of a container cannot be read. */
export class DamagedContainer extends MiniError {
  override name = "DamagedContainer";
  constructor(readonly id: string) {
    super(`the record of container ${id.slice(0, 12)} is damaged; remove it with 'mini rm -f ${id.slice(0, 12)}'`);
  }
}

/** Another command is at work on it. */
export class Busy extends MiniError {
  override name = "Busy";
  constructor(id: string) {
    super(`container ${id.slice(0, 12)} runs, or another command is at work on it`);
  }
}

export class Containers {
  /** How those ended of which the disk has no room to write it down, as the last look found. */
  readonly #unrecorded = new Map<string, ContainerEnd>();

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
    const lock = this.#makeStateFolder(id);
    try {
      Deno.mkdirSync(this.folder(id), { recursive: true, mode: 0o700 });
      return { name: this.#takeName(id, name), lock };
    } catch (error) {
      this.forget(id, undefined);
      close(lock);
      throw error;
    }
  }

  /**
   * Locks a container that exists and does not run, for this process: to start it, to change it, to remove it. With `settle`
   * or `forget` that ends.
   *
   * @throws {MiniError} when another command is at work on it, or it runs.
   */
  lock(id: string): number {
    const taken = this.take(id);
    if (taken?.fd !== undefined) return taken.fd;
    if (!taken) throw new Busy(id);
    try {
      return this.#makeStateFolder(id);
    } catch (error) {
      // The other one was quicker: a folder is never renamed onto one that holds something.
      if (exists(this.stateFolder(id))) throw new Busy(id);
      throw error;
    }
  }

  /** Unlocks a container that does not run. */
  settle(id: string, lock: number): void {
    this.#removeState(id);
    close(lock);
  }

  /** Makes the state folder with a lock that is held from the beginning. */
  #makeStateFolder(id: string): number {
    // Locked before it gets its name, so that no other command ever sees it unlocked and takes it for a leftover.
    const making = this.stateFolder(`.${id}`);
    for (let tries = 0;; tries++) {
      let lock: number | undefined;
      try {
        Deno.mkdirSync(making, { recursive: true, mode: 0o700 });
        lock = open(`${making}/lock`, O_CREAT | O_RDWR, 0o600);
        if (tryLock(lock)) {
          Deno.renameSync(making, this.stateFolder(id));
          return lock;
        }
      } catch (error) {
        const gone = error instanceof Deno.errors.NotFound ||
          (error instanceof SyscallError && error.errno === Errno.ENOENT);
        if (!gone || tries > 100) {
          if (lock !== undefined) close(lock);
          remove(making);
          throw error;
        }
      }
      // Another command has taken it for the leftover of one that was killed here, and removes it.
      if (lock !== undefined) close(lock);
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
      const owner = readLink(`${folder}/${name}`);
      if (owner === undefined) continue; // just removed
      // The name of a container that was never finished, or whose removal was interrupted: its folder goes first.
      if (!exists(this.folder(owner))) this.#dropName(name, owner);
      else if (wanted !== undefined) {
        throw new MiniError(
          `the name ${name} is already in use by container ${
            owner.slice(0, 12)
          }; remove that with 'mini rm ${name}', or choose another name`,
        );
      }
    }
  }

  /**
   * Gives a container another name. A crash in between leaves it the old one, and a link that `sweepAll` finds.
   *
   * @returns the old name. @throws {MiniError} when the name is taken or is none.
   */
  rename(id: string, name: string): string {
    checkName(name);
    let old = name;
    this.change(id, (record) => {
      old = record.name;
      if (name === old) throw new MiniError(`container ${name} has that name already`);
      this.#takeName(id, name);
      record.name = name;
    });
    this.#dropName(old, id);
    return old;
  }

  /** What a container is called now; undefined when there is none, or its record cannot be read. */
  nameOf(id: string): string | undefined {
    const name = readJson<Partial<ContainerRecord>>(`${this.folder(id)}/container.json`)?.name;
    return typeof name === "string" ? name : undefined;
  }

  /** Drops a name that its container does not have: one that was renamed, or was to be. */
  #dropStaleName(name: string, id: string): void {
    try {
      if (this.record(id)?.name === name) return;
      // Whoever renames it holds the same lock.
      this.#underLock(id, (record) => {
        if (record.name !== name) this.#dropName(name, id);
      });
    } catch (error) {
      // Removed just now, or nothing that can be read.
      if (!(error instanceof MiniError)) throw error;
    }
  }

  /** Removes a name if it still belongs to `id`. */
  #dropName(name: string, id: string): void {
    const folder = `${this.root}/names`, path = `${folder}/${name}`;
    if (readLink(path) !== id) return;
    // Of two commands that drop it, the second must not drop what a third has made of it in between.
    const lock = open(folder, O_DIRECTORY);
    try {
      syscall("flock", lock, LOCK_EX);
      if (readLink(path) === id) remove(path);
    } finally {
      close(lock);
    }
  }

  write(record: ContainerRecord): void {
    writeFile(`${this.folder(record.id)}/container.json`, JSON.stringify(record));
  }

  writeState(state: RunningState): void {
    writeFile(`${this.stateFolder(state.id)}/state.json`, JSON.stringify(state));
  }

  /**
   * Changes what is written down of a container, whoever changes it at the same time.
   *
   * @returns the record as it is now. @throws {NoSuchContainer} when it is gone.
   */
  change(id: string, edit: (record: ContainerRecord) => void): ContainerRecord {
    return this.#underLock(id, (record) => {
      edit(record);
      this.write(record);
    });
  }

  /** Looks at what is written down of a container while nobody else changes it. @throws {NoSuchContainer} when it is gone. */
  #underLock(id: string, body: (record: ContainerRecord) => void): ContainerRecord {
    let folder: number;
    try {
      folder = open(this.folder(id), O_DIRECTORY);
    } catch (error) {
      if (error instanceof SyscallError && error.errno === Errno.ENOENT) throw new NoSuchContainer(id.slice(0, 12));
      throw error;
    }
    try {
      syscall("flock", folder, LOCK_EX);
      const record = this.record(id);
      if (!record) throw new NoSuchContainer(id.slice(0, 12));
      body(record);
      return record;
    } finally {
      close(folder);
    }
  }

  /** Writes down that a container has ended; nothing of it runs any more. */
  ended(id: string, end: ContainerEnd): ContainerRecord {
    const record = this.change(id, (record) => record.end = end);
    this.#removeState(id);
    return record;
  }

  /** Removes all of a container: what it changed, its record, its name. In an order that a crash leaves findable. */
  forget(id: string, name: string | undefined): void {
    removeAtOnce(this.folder(id), this.folder(`.${id}`));
    if (name !== undefined) this.#dropName(name, id);
    this.#removeState(id);
  }

  /** The record of a container; undefined when there is none. @throws {DamagedContainer} @throws {MiniError} for one of a newer mini. */
  record(id: string): ContainerRecord | undefined {
    const record = readJson<ContainerRecord>(`${this.folder(id)}/container.json`);
    if (record && record.version > RECORD_VERSION) {
      throw new MiniError(
        `container ${id.slice(0, 12)} was made by a newer mini (record version ${record.version}): use that one`,
      );
    }
    if (record === null || (record && !isWhole(record, id))) throw new DamagedContainer(id);
    if (record) {
      // One that was made before these were written down.
      record.restart ??= NO_RESTART;
      record.log ??= DEFAULT_LOG;
    }
    return record;
  }

  /** Every name that stands for a container; more than one only while it is being renamed, or its record is damaged. */
  namesOf(id: string): string[] {
    return names(`${this.root}/names`).filter((name) => readLink(`${this.root}/names/${name}`) === id);
  }

  /** Those that there are; a folder that begins with a dot is being removed. */
  #ids(): string[] {
    return names(`${this.root}/containers`).filter((name) => !name.startsWith("."));
  }

  /**
   * Every container, the newest first. Sweeps first.
   *
   * @param note is told of each container that cannot be shown, because its record is damaged or of a newer mini.
   * @param damaged is given the ids of those with a damaged one.
   */
  async list(note: (sentence: string) => void, damaged?: string[]): Promise<Found[]> {
    await this.sweep();
    return this.#each((id) => this.#find(id), note, damaged)
      .sort((a, b) => b.record.created < a.record.created ? -1 : 1);
  }

  /** Every container's record, in no order; `note` as for `list`. */
  records(note: (sentence: string) => void): ContainerRecord[] {
    return this.#each((id) => this.record(id), note);
  }

  #each<T>(look: (id: string) => T | undefined, note: (sentence: string) => void, damaged?: string[]): T[] {
    return this.#ids().flatMap((id) => {
      try {
        const one = look(id);
        return one ? [one] : [];
      } catch (error) {
        if (!(error instanceof MiniError)) throw error;
        if (error instanceof DamagedContainer) damaged?.push(id);
        note(error.message);
        return [];
      }
    });
  }

  /** The container of a whole id as it is now; undefined if there is none. Sweeps first. */
  async find(id: string): Promise<Found | undefined> {
    await this.sweep();
    return this.#find(id);
  }

  #find(id: string): Found | undefined {
    const record = this.record(id);
    if (!record) return undefined;
    const running = this.running(id);
    if (running && running.status === "running") {
      if (isAlive(running)) {
        return { record, running, status: running.cgroup && isFrozen(running.cgroup) ? "paused" : "running" };
      }
      const end = this.#unrecorded.get(id);
      if (end && !record.end) return { record: { ...record, end }, status: "exited" };
      // Somebody is just writing down how it ended. Where its owner is a command, that may take its time.
      if (running.shim && !record.end) return { record, running, status: "running" };
    }
    if (restartIsDue(record)) return { record, status: "restarting" };
    return { record, status: record.end || record.startedAt ? "exited" : "created" };
  }

  /** What is written down of a container that runs; undefined if none does, null for a file that was cut short. */
  running(id: string): RunningState | undefined | null {
    return readJson<RunningState>(`${this.stateFolder(id)}/state.json`);
  }

  /** The ids of all that have a state folder: they run, or somebody is at work on them, or was. */
  active(): string[] {
    return names(`${this.state}/containers`).filter((name) => !name.startsWith("."));
  }

  /**
   * The container of a name, an id, or the beginning of an id.
   *
   * @throws {NoSuchContainer} when there is none. @throws {MiniError} when there is more than one.
   */
  async get(text: string): Promise<Found> {
    await this.sweep();
    const id = this.#idOf(text);
    const found = id === undefined ? undefined : this.#find(id);
    if (!found) throw new NoSuchContainer(text);
    return found;
  }

  /** The specification of a container; undefined when it has been removed meanwhile. @throws {MiniError} for a damaged one. */
  findSpec(id: string): Spec | undefined {
    const path = `${this.folder(id)}/config.json`, spec = readJson<Spec>(path);
    if (spec === null || (spec && !spec.process)) {
      throw new MiniError(
        `the specification of container ${
          id.slice(0, 12)
        }, ${path}, is damaged: remove the container with 'mini rm -f'`,
      );
    }
    return spec;
  }

  /** The same of one that is there. @throws {MiniError} when it is not, or is damaged. */
  spec(id: string): Spec {
    const spec = this.findSpec(id);
    if (!spec) throw new MiniError(`container ${id.slice(0, 12)} has just been removed`);
    return spec;
  }

  /** The record of the same, without a look at what runs. @throws as `get`. */
  recordOf(text: string): ContainerRecord {
    const id = this.#idOf(text), record = id === undefined ? undefined : this.record(id);
    if (!record) throw new NoSuchContainer(text);
    return record;
  }

  #idOf(text: string): string | undefined {
    let id: string | undefined;
    if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(text)) {
      id = readLink(`${this.root}/names/${text}`);
      if (id === undefined) {
        const ids = this.#ids().filter((name) => name.startsWith(text));
        if (ids.length > 1) {
          throw new MiniError(`${text} is the beginning of ${ids.length} containers' ids: give more of it`);
        }
        id = ids[0];
      }
    }
    return id;
  }

  /**
   * Clears up after commands that were killed: a container whose owner is gone ends here, or goes if it was to be removed.
   * What runs, and what another command is just making, is left alone: it is locked. So is what cannot be cleared now, on a disk
   * that is full: other containers have nothing to do with it, and `rm -f` makes room.
   *
   * @returns the ids of what was cleared.
   */
  async sweep(): Promise<string[]> {
    const cleared: string[] = [];
    for (const id of names(`${this.state}/containers`)) {
      if (id.startsWith(".")) {
        this.#clearUnnamed(id);
        continue;
      }
      const lock = this.take(id);
      if (!lock) continue;
      try {
        if (!exists(this.stateFolder(id))) continue; // it came to its end just now
        const unrecorded = await (await import("./clear.ts")).clearUpIfPossible(this, id);
        if (unrecorded) this.#unrecorded.set(id, unrecorded);
        else {
          this.#unrecorded.delete(id);
          cleared.push(id);
        }
      } finally {
        if (lock.fd !== undefined) close(lock.fd);
      }
    }
    return cleared;
  }

  /**
   * Locks a container that no other command is making, running or ending; undefined if one does. The caller closes the
   * descriptor; without a lock file there is none: what does not run is nobody's.
   */
  take(id: string): { readonly fd?: number } | undefined {
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

  /** Removes a state folder that has no container's name yet, or has it no more, unless somebody is at work on it. */
  #clearUnnamed(id: string): void {
    const lock = this.take(id);
    if (!lock) return;
    if (lock.fd !== undefined) close(lock.fd);
    // Its maker may come between: whoever renames it first has it, and the maker then begins again.
    this.#removeState(id);
  }

  /** Removes the name of a record that was never written: it can only be found by what it stands for. */
  dropNamesOf(id: string): void {
    for (const name of names(`${this.root}/names`)) this.#dropName(name, id);
  }

  /** Removes the state of a container that has ended. Its record stays. */
  dropState(id: string): void {
    this.#removeState(id);
  }

  #removeState(id: string): void {
    removeAtOnce(this.stateFolder(id), this.stateFolder(`.${randomId()}`));
  }

  /** Removes what a power loss left: folders without a record, and names without a folder. Only `system check` and `ps` look. */
  async sweepAll(): Promise<string[]> {
    const cleared = await this.sweep();
    for (const name of names(`${this.root}/containers`)) if (name.startsWith(".")) remove(this.folder(name));
    for (const id of this.#ids()) {
      // In this order: a container that comes to its end loses its folder first.
      if (exists(this.stateFolder(id)) || !exists(this.folder(id))) continue;
      let record: ContainerRecord | undefined;
      try {
        record = this.record(id);
      } catch (error) {
        if (error instanceof MiniError) continue; // nothing of ours to throw away
        throw error;
      }
      if (!record && !exists(this.folder(id))) continue; // removed just now
      if (!record || record.making || (record.autoRemove && !(record.awaited && !record.startedAt))) {
        if (record) await (await import("./forget.ts")).forgetWithVolumes(this, record, () => {});
        else this.forget(id, undefined);
        cleared.push(id);
      } else if (record.startedAt && !record.end) {
        this.ended(record.id, {
          exitCode: 255,
          finishedAt: new Date().toISOString(),
          error: "the machine was stopped while it ran",
        });
      }
    }
    for (const name of names(`${this.root}/names`)) {
      // A container's folder is there before its name, and goes before it.
      const owner = readLink(`${this.root}/names/${name}`);
      if (owner === undefined) continue;
      if (!exists(this.folder(owner))) this.#dropName(name, owner);
      else this.#dropStaleName(name, owner);
    }
    return cleared;
  }
}
