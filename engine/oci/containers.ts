/**
 * The containers of the OCI command line: one folder each below its --root, which is nobody's but theirs.
 *
 *     ROOT/ID/lock         held by whoever changes something
 *     ROOT/ID/state.json   what is known of it
 *     ROOT/ID/config.json  its specification as it was when it was created
 *     ROOT/ID/start        the FIFO that it waits at; gone once it has been started
 *     ROOT/ID/results      what its operations returned
 */
import { AT_FDCWD, LOCK_EX, O_CREAT, O_RDWR } from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { syscall } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import type { Operation } from "../../ffi/program.ts";
import { isFrozen } from "../../runtime/cgroup.ts";
import { type Hooks, OCI_VERSION, type Spec } from "../../runtime/spec.ts";
import { isAlive } from "../process.ts";
import { exists } from "../../ffi/exists.ts";

/** Where in its life a container is: runtime.md, "State"; paused is an addition of runc's. */
export type Status = "creating" | "created" | "running" | "paused" | "stopped";

/** What is written down of a container. */
export interface OciRecord {
  readonly id: string;
  /** The bundle's folder and the root's, absolute. */
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339 */
  readonly created: string;
  /** The name of the user who created it. */
  readonly owner: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Its first process and when that was started; 0 as long as there is none. */
  readonly pid: number;
  readonly pidStartTicks?: number;
  /** The folder of its cgroup. */
  readonly cgroup?: string;
  /** The operations that are left when it waits for its start, by their place in the program. */
  readonly tail?: { readonly at: number; readonly operations: readonly Omit<Operation, "args">[] };
  /** The kinds of hooks that it has: who finds none here need not read its specification. */
  readonly hooks: readonly (keyof Hooks)[];
  /** It was restored from a checkpoint, and has begun. */
  readonly restored?: true;
}

/** The state that the specification wants, and what runc adds to it. */
export interface OciState {
  readonly ociVersion: string;
  readonly id: string;
  readonly pid: number;
  readonly status: Status;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly owner: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const LONGEST_ID = 1024;

/** @throws {MiniError} for what is no id: it is the name of a folder, and of a cgroup. */
export function checkId(id: string): void {
  if (id === "") throw new MiniError("container id cannot be empty");
  if (!/^[\w+.-]+$/.test(id) || id === "." || id === ".." || id.length > LONGEST_ID) {
    throw new MiniError(
      `invalid container id format ${JSON.stringify(id)}: letters, digits, and any of _ + - . (but not . or ..)`,
    );
  }
}

/** The containers below one root. */
export class OciContainers {
  constructor(readonly root: string) {}

  folder(id: string): string {
    checkId(id);
    return `${this.root}/${id}`;
  }

  /**
   * Takes an id. The lock is held until the descriptor is closed.
   *
   * @throws {MiniError} when there is a container of that id.
   */
  reserve(id: string): number {
    const folder = this.folder(id);
    try {
      Deno.mkdirSync(this.root, { recursive: true, mode: 0o700 });
      Deno.mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) throw new MiniError(`container with id exists: ${id}`);
      throw new MiniError(`cannot make ${folder}: ${(error as Error).message}`, undefined, { cause: error });
    }
    return this.#lock(folder);
  }

  #lock(folder: string): number {
    const fd = open(`${folder}/lock`, O_RDWR | O_CREAT, 0o600);
    syscall("flock", fd, LOCK_EX);
    return fd;
  }

  /** Waits until nobody else changes it; the descriptor is the caller's to close. @throws {MiniError} if there is none. */
  lock(id: string): number {
    const folder = this.folder(id);
    this.read(id);
    try {
      return this.#lock(folder);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno !== Errno.ENOENT) throw error;
      throw new MiniError(`container does not exist: ${id}`); // it was removed just now
    }
  }

  /** @throws {MiniError} if there is no container of that id. */
  read(id: string): OciRecord {
    const path = `${this.folder(id)}/state.json`;
    let text: string;
    try {
      text = Deno.readTextFileSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
        throw new MiniError(`container does not exist: ${id}`);
      }
      throw new MiniError(`cannot read ${path}: ${(error as Error).message}`, undefined, { cause: error });
    }
    try {
      return JSON.parse(text);
    } catch {
      throw new MiniError(`${path} is damaged: remove its folder`);
    }
  }

  write(record: OciRecord): void {
    const path = `${this.folder(record.id)}/state.json`;
    Deno.writeTextFileSync(`${path}.tmp`, JSON.stringify(record), { mode: 0o600 });
    Deno.renameSync(`${path}.tmp`, path);
  }

  /** The specification that it was created from, whatever has become of the bundle since. */
  async spec(record: OciRecord): Promise<Spec> {
    const { parseSpec } = await import("../../runtime/spec_read.ts");
    return parseSpec(Deno.readTextFileSync(`${this.folder(record.id)}/config.json`), record.bundle);
  }

  /** Changes the specification that is kept. */
  writeSpec(record: OciRecord, spec: Spec): void {
    const path = `${this.folder(record.id)}/config.json`;
    // Beyond 2⁵³ a number is a bigint, and is written as what it is.
    const exact = (_: string, value: unknown) =>
      typeof value === "bigint" ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(`${value}`) : value;
    Deno.writeTextFileSync(`${path}.tmp`, JSON.stringify(spec, exact), { mode: 0o600 });
    Deno.renameSync(`${path}.tmp`, path);
  }

  remove(id: string): void {
    Deno.removeSync(this.folder(id), { recursive: true });
  }

  /** All ids, sorted. */
  ids(): string[] {
    try {
      return [...Deno.readDirSync(this.root)].filter((e) => e.isDirectory).map((e) => e.name).sort();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** The path of the FIFO that it waits at. */
  fifo(id: string): string {
    return `${this.folder(id)}/start`;
  }

  status(record: OciRecord): Status {
    if (record.pid === 0) return "creating";
    if (!isAlive(record)) return "stopped";
    if (record.cgroup !== undefined && isFrozen(record.cgroup)) return "paused";
    return record.restored === undefined && exists(this.fifo(record.id)) ? "created" : "running";
  }

  /** What `state` prints and hooks read. */
  state(record: OciRecord, status: Status = this.status(record)): OciState {
    const { id, pid, bundle, rootfs, created, owner, annotations } = record;
    return {
      ociVersion: OCI_VERSION,
      id,
      pid: status === "stopped" ? 0 : pid,
      status,
      bundle,
      rootfs,
      created,
      owner,
      annotations,
    };
  }
}

/** Makes a FIFO. @throws {SyscallError} */
export function makeFifo(path: string): void {
  const S_IFIFO = 0o010000;
  syscall("mknodat", AT_FDCWD, path, S_IFIFO | 0o600, 0);
}
