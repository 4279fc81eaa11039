/**
 * The volumes of this host, on disk.
 *
 *     ROOT/volumes/NAME/volume.json   what it is (types.ts)
 *     ROOT/volumes/NAME/data          what containers see
 *     ROOT/volumes/NAME/lock          locked (flock) by who fills it, removes it, or makes sure that it is there
 *     ROOT/volumes/NAME/{filling,filled}  content of an image on its way into data (fill.ts)
 *     ROOT/volumes/.new-X, .old-X     what is just being made or removed; locked by who does
 *
 * A volume is used by the containers whose records name it. A record is written before the volume is looked at, and a volume
 * is removed only under its lock: so either the container finds that it is gone, and makes it anew, or the remover finds the
 * container.
 */
import { AT_FDCWD, LOCK_EX, LOCK_NB, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { close, trySyscall } from "../../ffi/kernel.ts";
import { explainFullDisk, fsyncFolder, lockFile, writeFileAtomically } from "../../images/file_lock.ts";
import { removeTree } from "../../images/remove_tree.ts";
import { checkOptions } from "./local.ts";
import { checkVolumeName } from "./names.ts";
import type { Volume, VolumeOptions } from "./types.ts";
import { exists } from "../../ffi/exists.ts";

const VERSION = 1;
const RENAME_NOREPLACE = 1;
/** How often a volume is looked at before it counts as damaged. */
const MOST_LOOKS = 10;

/** There is no volume of that name. */
export class NoSuchVolume extends MiniError {
  override name = "NoSuchVolume";
  constructor(volume: string) {
    super(`No such volume: ${volume}; 'mini volume ls' lists them`);
  }
}

export class Volumes {
  /** Where they are: `ROOT/volumes`. */
  readonly folder: string;

  /** @param root for example `/var/lib/mini`. */
  constructor(readonly root: string) {
    this.folder = `${root}/volumes`;
  }

  /** What containers see of a volume, if its driver keeps it on this host. @throws {MiniError} for what is no name. */
  data(name: string): string {
    checkVolumeName(name);
    return `${this.folder}/${name}/data`;
  }

  /**
   * A volume; undefined if there is none.
   *
   * @throws {MiniError} for what is no name, for a damaged one, and for one of a newer mini.
   */
  get(name: string): Volume | undefined {
    const text = this.#read(name);
    if (text === undefined) return undefined;
    const folder = `${this.folder}/${name}`;
    let volume: Volume | undefined;
    try {
      volume = JSON.parse(text);
    } catch {
      // told below
    }
    if (volume && volume.version > VERSION) {
      throw new MiniError(`the volume ${name} was made by a newer mini (version ${volume.version}): use that one`);
    }
    if (!volume || !isWhole(volume, name)) {
      throw new MiniError(`the volume ${name} is damaged: ${folder}/volume.json is not what mini writes`);
    }
    return volume;
  }

  /** What is written down of it, if it is there. */
  #read(name: string): string | undefined {
    checkVolumeName(name);
    const folder = `${this.folder}/${name}`;
    for (let looks = 1;; looks++) {
      try {
        // Nothing of ours is ever a link; one that was put here would lead what is done to the volume elsewhere.
        if (Deno.lstatSync(folder).isSymlink || !Deno.lstatSync(`${folder}/data`).isDirectory) {
          throw new MiniError(`the volume ${name} is damaged: ${folder} and data in it must be folders, not links`);
        }
        return Deno.readTextFileSync(`${folder}/volume.json`);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
        if (!exists(folder)) return undefined;
        // It may have been removed and made anew between two of our looks.
        if (looks < MOST_LOOKS) continue;
        throw new MiniError(`the volume ${name} is damaged: ${folder} lacks volume.json or data`);
      }
    }
  }

  /** The same. @throws {NoSuchVolume} if there is none. */
  need(name: string): Volume {
    const volume = this.get(name);
    if (!volume) throw new NoSuchVolume(name);
    return volume;
  }

  /** All volumes by name. @param note is told of each that cannot be read. */
  list(note: (sentence: string) => void): Volume[] {
    return this.#names().filter((name) => !name.startsWith(".")).sort().flatMap((name) => {
      try {
        return this.get(name) ?? []; // removed meanwhile
      } catch (error) {
        if (!(error instanceof MiniError)) throw error;
        note(error.message);
        return [];
      }
    });
  }

  #names(): string[] {
    try {
      return Array.from(Deno.readDirSync(this.folder), (entry) => entry.name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /**
   * Makes a volume, unless there is one of that name.
   *
   * @returns the volume, and whether it was made now.
   * @throws {MiniError} for options that its driver does not know, and for one that is there and was made otherwise.
   */
  make(name: string, options: VolumeOptions = {}): { volume: Volume; made: boolean } {
    const wanted = describe(name, options);
    for (let tries = 0; tries < 100; tries++) {
      const there = this.get(name);
      if (there) {
        checkSame(there, options);
        return { volume: there, made: false };
      }
      if (this.#publish(wanted)) return { volume: wanted, made: true };
    }
    throw new MiniError(`the volume ${name} is made and removed again and again by others`);
  }

  /** @returns false if another command was faster. */
  #publish(volume: Volume): boolean {
    Deno.mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const making = `${this.folder}/.new-${crypto.randomUUID()}`;
    let lock: number | undefined;
    try {
      Deno.mkdirSync(making, { mode: 0o700 });
      lock = tryLockFolder(making);
      if (lock === undefined) return false; // a sweep came between, and removes it: once more
      Deno.mkdirSync(`${making}/data`);
      Deno.chmodSync(`${making}/data`, 0o755);
      writeFileAtomically(`${making}/volume.json`, JSON.stringify(volume));
      const result = trySyscall(
        "renameat2",
        AT_FDCWD,
        making,
        AT_FDCWD,
        `${this.folder}/${volume.name}`,
        RENAME_NOREPLACE,
      );
      if (result === 0) fsyncFolder(this.folder);
      else if (result !== -Errno.EEXIST) throw new SyscallError("renameat2", -result, volume.name);
      return result === 0;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false; // swept, as above
      throw explainFullDisk(error, making);
    } finally {
      removeTree(making); // there is none if it has got its name
      if (lock !== undefined) close(lock);
    }
  }

  /**
   * Locks a volume; waits while another command fills or removes it. Closing the descriptor unlocks it.
   *
   * @returns undefined if there is no such volume, or no more.
   */
  async lock(name: string, signal?: AbortSignal): Promise<number | undefined> {
    if (!this.get(name)) return undefined;
    try {
      return await lockFile(`${this.folder}/${name}/lock`, signal);
    } catch (error) {
      if (error instanceof SyscallError && error.errno === Errno.ENOENT) return undefined;
      throw error;
    }
  }

  /** Removes a volume with all that it holds. The caller has its lock, and nothing uses it. */
  remove(name: string): void {
    checkVolumeName(name);
    const path = `${this.folder}/${name}`, doomed = `${this.folder}/.old-${crypto.randomUUID()}`;
    const lock = tryLockFolder(path); // so that no sweep clears what is being removed here
    try {
      Deno.renameSync(path, doomed);
      fsyncFolder(this.folder);
      removeTree(doomed);
    } finally {
      if (lock !== undefined) close(lock);
    }
  }

  /** Clears what killed commands have left half made or half removed. @returns how many there were. */
  sweep(): number {
    let cleared = 0;
    for (const name of this.#names()) {
      if (!/^\.(new|old)-/.test(name)) continue;
      const path = `${this.folder}/${name}`, lock = tryLockFolder(path);
      if (lock === undefined) continue;
      try {
        removeTree(path);
        cleared++;
      } finally {
        close(lock);
      }
    }
    return cleared;
  }
}

/** The volume that is to be made. @throws {MiniError} for what its driver does not know. */
function describe(
  name: string,
  { driver = "local", driverOptions = {}, labels = {}, anonymous = false }: VolumeOptions,
) {
  checkVolumeName(name);
  checkDriver(driver);
  checkOptions(driverOptions);
  const created = new Date().toISOString();
  // How Docker marks one that was made without a name, which scripts look for.
  const mark: Record<string, string> = anonymous ? { "com.docker.volume.anonymous": "" } : {};
  const options = { ...driverOptions };
  return { version: VERSION, name, driver, options, labels: { ...labels, ...mark }, created, anonymous };
}

/** @throws {MiniError} for any driver but `local`. */
export function checkDriver(driver: string): void {
  if (driver === "local") return;
  throw new MiniError(
    `there is no volume driver ${
      JSON.stringify(driver)
    }: mini has the driver local, whose options type, device and o mount ` +
      "network file systems as well, and runs no plugins",
  );
}

/** @throws {MiniError} when a volume is not what is asked for; what is not asked for may be anything. */
function checkSame(there: Volume, { driver, driverOptions, labels = {} }: VolumeOptions): void {
  if (driver !== undefined) checkDriver(driver);
  if (driver !== undefined && driver !== there.driver) {
    throw new MiniError(`the volume ${there.name} is there already, with the driver ${there.driver}`);
  }
  const label = Object.entries(labels).find(([key, value]) => there.labels[key] !== value);
  if (label) {
    throw new MiniError(`the volume ${there.name} is there already, without the label ${label[0]}=${label[1]}`);
  }
  if (driverOptions === undefined || Object.keys(driverOptions).length === 0) return;
  const text = (options: Readonly<Record<string, string>>) => JSON.stringify(Object.entries(options).sort());
  if (text(driverOptions) !== text(there.options)) {
    throw new MiniError(
      `the volume ${there.name} is there already, with other options; remove it first, or choose another name`,
    );
  }
}

function isWhole(volume: Volume, name: string): boolean {
  const isRecord = (value: unknown) =>
    typeof value === "object" && value !== null && Object.values(value).every((v) => typeof v === "string");
  return volume.version === VERSION && volume.name === name && typeof volume.driver === "string" &&
    typeof volume.created === "string" && typeof volume.anonymous === "boolean" && isRecord(volume.options) &&
    isRecord(volume.labels);
}

/** Locks a folder without waiting; undefined if another process has it, or if it is gone. */
function tryLockFolder(path: string): number | undefined {
  const fd = trySyscall("openat", AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd === -Errno.ENOENT) return undefined;
  if (fd < 0) throw new SyscallError("openat", -fd, path);
  if (trySyscall("flock", fd, LOCK_EX | LOCK_NB) === 0) return fd;
  close(fd);
  return undefined;
}
