/**
 * Without root: mini goes into a user namespace in which the user is root, and begins again there. The process stays the same
 * one; between its two lives it is a program of a few system calls, since only a process with one thread may make such a
 * namespace or join one. user_namespaces(7)
 */
import { AT_FDCWD, CLONE_NEWUSER, O_CLOEXEC, O_RDONLY, O_WRONLY } from "../../ffi/constants.ts";
import { become } from "../../ffi/become.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { syscall } from "../../ffi/kernel.ts";
import { op, type Operation, type Program, result } from "../../ffi/program.ts";
import { selfCommand, userEnvironment } from "../../ffi/self.ts";
import { makePair } from "../../ffi/take.ts";
import { findProgram } from "./find.ts";
import { temporaryState } from "./state_folder.ts";
import { type Ids, idsOf, type MapLine, userName } from "./ids.ts";

/** Tells the second life of the process that it is one: whose root it is, `UID:GID`. */
export const MARK = "_MINI_ROOTLESS";

const CLONE_PARENT_SETTID = 0x100000, SIGCHLD = 17, PR_SET_DUMPABLE = 4;
const OURS = 125;

/** Whether this process lives in a user namespace that an ordinary user has made for it. */
export const isInside = (): boolean => Deno.env.get(MARK) !== undefined;

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** The ids that this process' user may give. */
export function ownIds(): Ids {
  const uid = Deno.uid()!, gid = Deno.gid()!, name = userName(read("/etc/passwd"), uid);
  return idsOf({ uid, gid, users: [...name === undefined ? [] : [name], uid], read, find: findProgram });
}

/**
 * Begins again inside. What is after this call is never reached.
 *
 * @param args the command line. @param members processes whose user namespace is to be joined, the first that still lives.
 * @param more variables for the second life.
 * @throws {MiniError} where the kernel or an administrator forbids it.
 */
export function enter(args: readonly string[], members: readonly number[], more: Record<string, string> = {}): never {
  const uid = Deno.uid()!, gid = Deno.gid()!;
  const environment = { ...userEnvironment(), ...more, [MARK]: `${uid}:${gid}` };
  const command = [...selfCommand(), ...args];
  const again = (say: (text: string) => Operation[]): Operation[] => [
    op("setresgid", [0, 0, 0], "the namespace's root group"),
    op("setresuid", [0, 0, 0], "the namespace's root"),
    op("prctl", [PR_SET_DUMPABLE, 1, 0, 0, 0], "our own files in /proc are ours"),
    op("execve", [command[0]!, command, Object.entries(environment).map(([k, v]) => `${k}=${v}`)], "begin again", {
      optional: true,
    }),
    ...say("mini cannot be executed again"),
  ];
  const fd = openNamespace(members);
  if (fd !== undefined) {
    become([
      op("setns", [fd, Number(CLONE_NEWUSER)], "the user namespace of what runs already"),
      ...again(exitSaying),
    ], [fd]);
  }
  const pair = makePair();
  become(makeNamespace(ownIds(), pair, again), pair);
}

/** The user namespace of the first of the processes that is one's own, and not the one that we are in. */
function openNamespace(members: readonly number[]): number | undefined {
  const here = Deno.readLinkSync("/proc/self/ns/user");
  for (const pid of members) {
    const path = `/proc/${pid}/ns/user`;
    try {
      if (Deno.readLinkSync(path) !== here) return syscall("openat", AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    } catch (error) {
      const isGone = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied ||
        error instanceof SyscallError && [Errno.ENOENT, Errno.EACCES, Errno.EPERM].includes(error.errno);
      if (!isGone) throw error;
    }
  }
  return undefined;
}

/** Says a sentence on standard error and ends. */
function exitSaying(text: string): Operation[] {
  const sentence = `mini: ${text}\n`;
  return [
    op("write", [2, sentence, new TextEncoder().encode(sentence).length], "tell the user", { optional: true }),
    op("exit_group", [OURS], "nothing can be done"),
  ];
}

/** Writes a file of /proc, or goes to `otherwise`. */
function writeFile(path: string, content: string, otherwise: string): Operation[] {
  return [
    op("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0], path, { name: path, jump: { when: "<", to: otherwise } }),
    op("write", [result(path), content, content.length], `${path}: ${content}`, { jump: { when: "<", to: otherwise } }),
    op("close", [result(path)], "written"),
  ];
}

const text = (lines: readonly MapLine[]) => lines.map((line) => line.join(" ")).join("\n");

/**
 * Makes a user namespace and gives it its ids. The setuid helpers want to be outside of it, so that they are two children
 * from before; they are told by the pair when it is there.
 */
function makeNamespace(
  { uids, gids, helpers }: Ids,
  [ours, theirs]: readonly [number, number],
  again: (say: (text: string) => Operation[]) => Operation[],
): Program {
  const helper = (name: "uid" | "gid", path: string, lines: readonly MapLine[]): Operation[] => {
    const child = { cell: `${name} helper`, size: 8 } as const;
    const words = lines.flat().map(String);
    return [
      op("clone", [SIGCHLD | CLONE_PARENT_SETTID, 0, child, 0, 0], `a child to run ${path}`, {
        jump: { when: ">", to: `${name} helper made` },
      }),
      op("close", [ours], "so that it sees our end"),
      op("read", [theirs, { cell: "told", size: 8 }, 1], "until there is a namespace", {
        jump: { when: "=", to: "gave up" },
      }),
      op("execve", [path, [path, `${Deno.pid}`, ...words], []], "it writes the ids"),
      op("add", [0, 0], "it is on its way", { name: `${name} helper made` }),
    ];
  };
  const wait = (name: "uid" | "gid"): Operation[] => {
    const status = { cell: `${name} status`, size: 8 } as const;
    return [
      op("write", [ours, "+", 1], "tell a child"),
      op("wait4", [{ load: `${name} helper`, size: 8 }, status, 0, 0], "until it is done", {
        jump: { when: "<", to: "no ids" },
      }),
      op("add", [{ load: `${name} status`, size: 8 }, 0], "has it succeeded?", { jump: { when: "!=", to: "no ids" } }),
    ];
  };
  return [
    ...helpers ? [...helper("uid", helpers.uid, uids), ...helper("gid", helpers.gid, gids)] : [],
    op("unshare", [Number(CLONE_NEWUSER)], "a user namespace, in which we are allowed everything", {
      jump: { when: "<", to: "no namespace" },
    }),
    ...helpers
      // The first that reads may be either: each is told once, and both have been when both are waited for.
      ? [op("write", [ours, "+", 1], "tell a child"), ...wait("uid"), ...wait("gid").slice(1)]
      : [
        ...writeFile("/proc/self/setgroups", "deny", "no ids"),
        ...writeFile("/proc/self/uid_map", text(uids), "no ids"),
        ...writeFile("/proc/self/gid_map", text(gids), "no ids"),
      ],
    ...again(exitSaying),
    op("exit_group", [OURS], "there will be none", { name: "gave up" }),
    op("add", [0, 0], "unshare failed", { name: "no namespace" }),
    ...exitSaying(
      "this machine does not let ordinary users make user namespaces: 'mini system check' says how to allow it, or use sudo",
    ),
    op("add", [0, 0], "the maps could not be written", { name: "no ids" }),
    ...exitSaying(
      "the ids of a user namespace cannot be set: 'mini system check' looks at /etc/subuid and /etc/subgid",
    ),
  ];
}

/** Where an ordinary user's images and containers are, and the state of what runs. XDG Base Directory Specification. */
export function userFolders(environment: (name: string) => string | undefined): { root: string; state: string } {
  const home = environment("HOME"), data = environment("XDG_DATA_HOME") || (home && `${home}/.local/share`);
  if (!data?.startsWith("/")) {
    throw new MiniError(
      "without root mini keeps its files in your home: set HOME, or say where with --root and --state",
    );
  }
  const uid = (environment(MARK) ?? `${Deno.uid()}`).split(":")[0];
  const runtime = environment("XDG_RUNTIME_DIR");
  return { root: `${data}/mini`, state: runtime?.startsWith("/") ? `${runtime}/mini` : temporaryState(uid!) };
}
