/**
 * Integration tests: runs the built `mini` (or the one that MINI names) in folders of the test's own, and after every test
 * makes sure that nothing of it is left on the machine.
 *
 *     miniTest("a container exits with its program's status", async ({ mini }) => {
 *       assertEquals((await mini(["run", "--rm", "starter", "false"])).status, 1);
 *     });
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { resolve } from "@std/path";
import { hasDetachedMounts, missingForPrograms } from "../ffi/available.ts";
import { type Done, evidence } from "./evidence.ts";
import { findLeaks, observe, ownDescendants } from "./leaks.ts";

/** The program under test. */
export const MINI = Deno.env.get("MINI") ?? resolve(import.meta.dirname!, "../mini");

/**
 * What is configured for every mini that tests start: containers get no network unless a test asks for one, so that none of them
 * changes anything of this machine's.
 */
export const CONFIG = resolve(import.meta.dirname!, "config.json");
Deno.env.set("MINI_CONFIG", CONFIG);

/** Where tests make their folders: a file system that overlay can write its upper layer on. */
const FOLDER = Deno.env.get("MINI_TEST_FOLDER") ?? "/var/tmp";

/** How many times longer than on an ordinary machine things may take here, before a test gives up. */
const SLOWNESS = Number(Deno.env.get("MINI_TEST_SLOWNESS") ?? 1);

/** How long a command may take, and something that is waited for: only what never comes to its end takes as long. */
const COMMAND_MILLISECONDS = 120_000, UNTIL_MILLISECONDS = 60_000;

/** What a command left behind. */
export interface Output {
  /** Exit status; 128 + n for a signal. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command is run. */
export interface RunOptions {
  /** Its standard input; the null device without it. */
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
  /** Added to the environment of the tests. */
  readonly env?: Record<string, string>;
  /** All of the environment. */
  readonly onlyEnv?: Record<string, string>;
  readonly cwd?: string;
  /** Milliseconds until it is killed, which fails the test; 120,000 by default. */
  readonly timeout?: number;
}

/** A command that is on its way. */
export interface Running {
  readonly pid: number;
  readonly child: Deno.ChildProcess;
  /** What it has written so far. */
  stdout(): string;
  stderr(): string;
  /** Its end. */
  readonly output: Promise<Output>;
  /** Sends it a signal; nothing happens if it has ended. */
  kill(signal: Deno.Signal): void;
}

/** What a test is given. */
export interface Context {
  /** A folder for the test's own files. */
  readonly folder: string;
  /** The --root and --state of its commands; neither is there before the first one. */
  readonly root: string;
  readonly state: string;
  /** The command line of mini before the command, for tests that wrap it in something else. */
  readonly command: readonly string[];
  /** Runs `mini` with the test's own root and state, and waits for its end. */
  mini(args: readonly string[], options?: RunOptions): Promise<Output>;
  /** Starts it without waiting; it has ended when the test has. */
  start(args: readonly string[], options?: RunOptions): Running;
  /** `mini run --rm starter sh -c SCRIPT`: its standard output, after making sure that it succeeded and said nothing else. */
  inside(script: string, ...flags: string[]): Promise<string>;
}

const decode = (chunks: readonly Uint8Array[]) => {
  const all = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return new TextDecoder().decode(all);
};

/** Starts any command; see `Context.start`. */
export function startCommand(command: readonly string[], options: RunOptions = {}): Running {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, {
    args,
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...options.cwd === undefined ? {} : { cwd: options.cwd },
    ...options.onlyEnv
      ? { env: { MINI_CONFIG: CONFIG, ...options.onlyEnv }, clearEnv: true }
      : { env: options.env ?? {} },
  }).spawn();
  const collect = (stream: ReadableStream<Uint8Array>) => {
    const chunks: Uint8Array[] = [];
    const end = (async () => {
      for await (const chunk of stream) chunks.push(chunk);
    })();
    return { text: () => decode(chunks), end };
  };
  const stdout = collect(child.stdout), stderr = collect(child.stderr);
  const { status } = child;
  const output = (async (): Promise<Output> => {
    let late = false;
    const milliseconds = (options.timeout ?? COMMAND_MILLISECONDS) * SLOWNESS;
    const timer = setTimeout(() => {
      late = true;
      signalTo(child, "SIGKILL");
    }, milliseconds);
    try {
      if (options.stdin !== undefined) await feed(child, options.stdin);
      const [{ code }] = await Promise.all([status, stdout.end, stderr.end]);
      if (late) {
        throw new Error(
          `${
            command.join(" ")
          }\nwas not done after ${milliseconds} ms; stdout: ${stdout.text()}\nstderr: ${stderr.text()}`,
        );
      }
      return { status: code, stdout: stdout.text(), stderr: stderr.text() };
    } finally {
      clearTimeout(timer);
    }
  })();
  // Whoever waits for it is told; until then it is nobody's unhandled rejection.
  output.catch(() => {});
  return {
    pid: child.pid,
    child,
    stdout: stdout.text,
    stderr: stderr.text,
    output,
    kill: (signal) => signalTo(child, signal),
  };
}

/** Sends a signal to a child; one that has ended by itself is as good. */
export function signalTo(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    // Deno's own for a child that it has reaped, and the kernel's for one that it is just reaping.
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function feed(child: Deno.ChildProcess, input: string | Uint8Array<ArrayBuffer>): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    await writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input);
    await writer.close();
  } catch (error) {
    // It may end, or close its input, without having read all.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Runs any command and waits for its end. */
export const runCommand = (command: readonly string[], options: RunOptions = {}): Promise<Output> =>
  startCommand(command, options).output;

/** Waits until `condition` gives something other than undefined or false. @throws {Error} after so many milliseconds. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  milliseconds = UNTIL_MILLISECONDS,
): Promise<T> {
  for (const end = Date.now() + milliseconds * SLOWNESS;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`${what} did not happen within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Checks that a command was refused with one sentence on standard error that has all of `words`, and nothing else was said. */
export function assertRefused(output: Output, status: number, ...words: string[]): void {
  assertMatch(output.stderr, /^mini: [^\n]+[^.\n]\n$/);
  assert(!output.stderr.includes("internal error"), output.stderr);
  for (const word of words) assertStringIncludes(output.stderr, word);
  assertEquals([output.status, output.stdout], [status, ""], output.stderr);
}

/** Something that a test needs: undefined if it is here, otherwise why not. */
export type Need = string | undefined;

/** Every test here makes containers. */
const needsRoot = (): Need => Deno.uid() === 0 ? undefined : "not root";

/** The need of a program of this machine. */
export function needsProgram(program: string): Need {
  const found = (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
  return found ? undefined : `no ${program} here`;
}

/** The need of mounts whose files have the ids of a user namespace. */
export const needsIdmaps = (): Need =>
  hasDetachedMounts() ? undefined : "no mount_setattr here, which gives files other ids";

/** The need of /dev/shm of other containers. */
export const needsJoinedShm = (): Need =>
  hasDetachedMounts() ? undefined : "no open_tree here, by which /dev/shm of another container is joined";

/** The need of all calls that mini can do without, to compare. */
export const needsNewerCalls = (): Need =>
  missingForPrograms() ? "openat2 or mount calls by descriptor are missing here" : undefined;

/** Kills a process; one that has just ended by itself is as good. */
export function killIfThere(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A test in folders of its own, skipped with a reason where a need is not met, failed when it leaves something behind. */
export function miniTest(name: string, body: (context: Context) => Promise<void>, needs: readonly Need[] = []): void {
  const missing = [needsRoot(), ...needs].find((need) => need !== undefined);
  if (missing !== undefined) return Deno.test({ name: `${name} (skipped: ${missing})`, ignore: true, fn() {} });
  Deno.test(name, async () => {
    const folder = Deno.makeTempDirSync({ dir: FOLDER, prefix: "mini-test-" });
    const root = `${folder}/root`, state = `${folder}/state`;
    const before = observe();
    const command = [MINI, "--root", root, "--state", state];
    const running: Running[] = [], commands: Done[] = [];
    const start = (args: readonly string[], options?: RunOptions) => {
      const one = startCommand([...command, ...args], options), done: Done = { args };
      running.push(one);
      commands.push(done);
      one.output.then((output) => done.output = output, () => {});
      return one;
    };
    const mini = (args: readonly string[], options?: RunOptions) => start(args, options).output;
    const inside = async (script: string, ...flags: string[]) => {
      const { status, stdout, stderr } = await mini(["run", "--rm", ...flags, "starter", "sh", "-c", script]);
      if (status !== 0 || stderr !== "") throw new Error(`status ${status}, stderr: ${stderr}\nstdout: ${stdout}`);
      return stdout;
    };
    let failure: unknown;
    try {
      await body({ folder, root, state, command, mini, start, inside });
    } catch (error) {
      failure = error ?? new Error("the test threw nothing");
      if (failure instanceof Error) failure.message += `\n${evidence(root, state, commands)}`;
    }
    // A test that failed half-way leaves what it started; that is not what is to be told of it then.
    for (const one of running) {
      if (failure !== undefined) one.kill("SIGKILL");
      await one.output.catch(() => {});
    }
    if (failure !== undefined) ownDescendants().forEach(killIfThere);
    const leaks = await findLeaks(before, { folder, root, state });
    const told = failure === undefined && leaks.length > 0 ? evidence(root, state, commands) : "";
    if (leaks.length > 0) await mini(["system", "check"]).catch(() => {});
    Deno.removeSync(folder, { recursive: true });
    if (failure !== undefined) throw failure;
    if (leaks.length > 0) throw new Error(`left behind:\n  ${leaks.join("\n  ")}\n${told}`);
  });
}
