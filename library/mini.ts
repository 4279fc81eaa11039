/** mini as a library: containers that are children of this process, started in a millisecond or two. */
import { MiniError } from "../ffi/errors.ts";
import { shellStatus } from "../ffi/exit_status.ts";
import { close } from "../ffi/kernel.ts";
import { Containers } from "../engine/containers.ts";
import { create, type Made } from "../engine/create.ts";
import { startEmbedded } from "../engine/embedded.ts";
import { emitContainer } from "../engine/events.ts";
import { prepareExec } from "../engine/exec.ts";
import { forgetWithVolumes } from "../engine/forget.ts";
import { explainHost } from "../engine/host_error.ts";
import { findImage } from "../engine/image.ts";
import { randomId } from "../engine/names.ts";
import { ownerOf } from "../engine/userns.ts";
import type { Progress } from "../images/progress.ts";
import { startExec } from "../runtime/exec.ts";
import { type ContainerOptions, readContainerOptions } from "./options.ts";
import { Process } from "./process.ts";
import { type StdioOptions, Streams } from "./streams.ts";

/** Where mini keeps its files; the command line's `--root` and `--state`, and as there MINI_ROOT and MINI_STATE. */
export interface MiniOptions {
  /** Images, volumes and containers; an absolute path. `/var/lib/mini` without it. */
  readonly root?: string;
  /** What runs; an absolute path. `/run/mini` without it. */
  readonly state?: string;
  /** Is told what is no failure; without it nobody is. */
  readonly note?: (sentence: string) => void;
}

/** What a container is started with. */
export interface RunOptions extends ContainerOptions, StdioOptions {
  /** Kills it when aborted, while it is being made as well. */
  readonly signal?: AbortSignal;
  /** When to ask the registry for the image; `missing` without it. */
  readonly pull?: "always" | "missing" | "never";
  /** `linux/arm64`; this machine's own without it. */
  readonly platform?: string;
}

/** What a container is made with that is started later. */
export type CreateOptions = Omit<RunOptions, "stdout" | "stderr">;

/** What a further process in a container is started with. */
export interface ExecOptions extends StdioOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** An absolute path in the container; the container's own without it. */
  readonly cwd?: string;
  readonly user?: string;
  readonly privileged?: boolean;
  /** Kills it when aborted. */
  readonly signal?: AbortSignal;
}

/** How an image is pulled. */
export interface PullOptions {
  /** `linux/arm64`; this machine's own without it. */
  readonly platform?: string;
  readonly signal?: AbortSignal;
  /** Is told how far it is. */
  readonly progress?: Progress;
}

/** An image that was pulled. */
export interface PulledImage {
  /** `docker.io/library/alpine:latest` */
  readonly name: string;
  /** `sha256:…` of its configuration. */
  readonly id: string;
  /** What the registry calls it: `sha256:…`. */
  readonly digest: string;
  /** Whether its name meant something else before, or nothing. */
  readonly isNew: boolean;
}

/** A container that runs. */
export class RunningContainer extends Process {
  readonly #exec: (args: readonly string[], options?: ExecOptions) => Promise<Process>;

  constructor(
    /** 64 hexadecimal digits. */
    readonly id: string,
    readonly name: string,
    exec: (args: readonly string[], options?: ExecOptions) => Promise<Process>,
    ...process: ConstructorParameters<typeof Process>
  ) {
    super(...process);
    this.#exec = exec;
  }

  /** Starts a further process in it. @throws {MiniError} as `Mini.exec`. */
  exec(args: readonly string[], options?: ExecOptions): Promise<Process> {
    return this.#exec(args, options);
  }
}

/** A container that was made and does not run. `await using` removes it if it was never started. */
export class CreatedContainer implements AsyncDisposable {
  readonly id: string;
  readonly name: string;
  readonly #start: (options: StdioOptions & Pick<RunOptions, "signal">) => Promise<RunningContainer>;
  readonly #remove: () => Promise<void>;
  #done = false;

  constructor(
    { id, name }: Made["record"],
    start: (options: StdioOptions & Pick<RunOptions, "signal">) => Promise<RunningContainer>,
    remove: () => Promise<void>,
  ) {
    this.id = id;
    this.name = name;
    this.#start = start;
    this.#remove = remove;
  }

  /** Starts it; once. @throws {MiniError} when it cannot be, and nothing is left of it then. */
  async start(options: StdioOptions & Pick<RunOptions, "signal"> = {}): Promise<RunningContainer> {
    if (this.#done) throw new MiniError(`container ${this.name} was started or removed already`);
    this.#done = true;
    return await this.#start(options);
  }

  /** Removes it; nothing happens if it was started or removed. */
  async remove(): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    await this.#remove();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }
}

/**
 * One at a time in this process: the store's lock is held from when an image is looked up until a record keeps its layers, and
 * whoever would wait for it here would keep its holder from going on.
 */
let turn: Promise<unknown> = Promise.resolve();
function inTurn<T>(body: () => Promise<T>): Promise<T> {
  const mine = turn.then(body);
  turn = mine.catch(() => {});
  return mine;
}

/**
 * Makes and runs containers. The program needs root and all of Deno's permissions (`deno run -A`), since it talks to the kernel.
 *
 * ```ts
 * const mini = new Mini();
 * await using container = await mini.run("starter", ["echo", "hello"]);
 * console.log(await container.text());
 * ```
 */
export class Mini {
  readonly #containers: Containers;
  readonly #note: (sentence: string) => void;
  #swept: Promise<unknown> | undefined;

  /** @throws {MiniError} for a folder that is no absolute path. */
  constructor({ root, state, note = () => {} }: MiniOptions = {}) {
    const folder = (given: string | undefined, variable: string, usual: string) => {
      const path = given ?? (Deno.env.get(variable) || usual);
      if (!path.startsWith("/")) throw new MiniError(`${path} is not an absolute path of a folder for mini's files`);
      return path;
    };
    this.#containers = new Containers(
      folder(root, "MINI_ROOT", "/var/lib/mini"),
      folder(state, "MINI_STATE", "/run/mini"),
    );
    this.#note = note;
  }

  /**
   * Runs a container, and returns when its own program runs.
   *
   * @param args the program and its arguments; the image's own without any.
   * @throws {MiniError} when it cannot be run: `exitStatus` is what the command line would exit with. Nothing is left of it then.
   */
  async run(image: string, args: readonly string[] = [], options: RunOptions = {}): Promise<RunningContainer> {
    const made = await this.#make(image, args, options);
    return await this.#start(made, options);
  }

  /**
   * Makes a container without starting it. It belongs to this process: it is gone with it unless it was started.
   *
   * @throws {MiniError} for what cannot be made.
   */
  async create(image: string, args: readonly string[] = [], options: CreateOptions = {}): Promise<CreatedContainer> {
    const made = await this.#make(image, args, options);
    return new CreatedContainer(
      made.record,
      (streams) => this.#start(made, { stdin: options.stdin ?? "null", ...streams }),
      () => this.#forget(made),
    );
  }

  /**
   * Starts a further process in a container that runs, whoever runs it.
   *
   * @param container its name, its id or the beginning of that. @throws {MiniError} when it does not run, or the program cannot.
   */
  async exec(container: string, args: readonly string[], options: ExecOptions = {}): Promise<Process> {
    this.#needsRoot();
    options.signal?.throwIfAborted();
    if (args.length === 0) throw new MiniError("exec needs a program to run in the container");
    const containers = this.#containers, found = await containers.get(container);
    const { target, process, close: done } = await prepareExec(containers, found, {
      args,
      tty: false,
      env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
      workingDir: options.cwd,
      user: options.user,
      privileged: options.privileged ?? false,
    });
    const told = { execID: randomId() };
    try {
      const streams = new Streams(options, ownerOf({ ...target.spec, process }));
      try {
        const started = await startExec(target, process, { stdio: streams.theirs.stdio });
        streams.theirs.closeTheirs();
        if (!await started.begun()) await started.wait();
        emitContainer(containers.state, found.record, `exec_start: ${args.join(" ")}`, told);
        const ended = started.wait().then((status) => {
          emitContainer(containers.state, found.record, "exec_die", { ...told, exitCode: `${shellStatus(status)}` });
          return status;
        });
        return new Process(started, streams, ended, options.signal);
      } catch (error) {
        streams.close();
        streams.theirs.close();
        throw error;
      }
    } finally {
      done();
    }
  }

  /** Fetches an image. @throws {MiniError} when it cannot be had. */
  async pull(image: string, options: PullOptions = {}): Promise<PulledImage> {
    this.#needsRoot();
    const [{ pull }, { Store }] = await Promise.all([import("../images/pull.ts"), import("../images/store.ts")]);
    const { name, digest, isNew, image: { id } } = await inTurn(() =>
      pull(new Store(this.#containers.root), image, options)
    );
    return { name, id, digest, isNew };
  }

  #needsRoot(): void {
    if (Deno.uid() !== 0) throw new MiniError("mini as a library needs root: start the program with sudo");
  }

  async #make(image: string, args: readonly string[], options: CreateOptions): Promise<Made> {
    this.#needsRoot();
    options.signal?.throwIfAborted();
    const { root, state } = this.#containers;
    try {
      const wanted = await readContainerOptions(args, options, options.stdin === "piped");
      // What others left is cleared up once: this process leaves nothing itself.
      await (this.#swept ??= this.#containers.sweep());
      return await inTurn(async () => {
        const { pull = "missing", platform } = options;
        const source = await findImage({ root, state }, image, { pull, platform, quiet: true });
        let held = true;
        const release = () => {
          if (held) source.release?.();
          held = false;
        };
        try {
          return await create(this.#containers, { ...source, release }, wanted, options.signal);
        } finally {
          release();
        }
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw explainHost(error, this.#containers);
    }
  }

  async #start(made: Made, options: StdioOptions & Pick<RunOptions, "signal">): Promise<RunningContainer> {
    const { signal } = options, { id, name } = made.record;
    let streams: Streams | undefined;
    const open = (uid: number) => (streams = new Streams(options, uid)).theirs;
    try {
      const { container, ended } = await startEmbedded(this.#containers, made, open, this.#note, signal);
      const exec = (args: readonly string[], more?: ExecOptions) => this.exec(id, args, more);
      return new RunningContainer(id, name, exec, container, streams!, ended, signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw explainHost(error, this.#containers);
    }
  }

  async #forget(made: Made): Promise<void> {
    await forgetWithVolumes(this.#containers, made.record, this.#note, made.newVolumes);
    emitContainer(this.#containers.state, made.record, "destroy");
    close(made.lock);
  }
}
