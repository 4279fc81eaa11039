/** What the process becomes: its user, privileges, limits and signals, and at last the container's own program. */
import {
  _LINUX_CAPABILITY_VERSION_3,
  CLOSE_RANGE_CLOEXEC,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
  SIG_SETMASK,
} from "../ffi/constants.ts";
import { Errno, MiniError } from "../ffi/errors.ts";
import { op, type Operation } from "../ffi/program.ts";
import { CAPABILITIES, capabilityMask, capabilityNumber } from "./capabilities.ts";
import { refuse } from "./plan_paths.ts";
import { rlimitNumber } from "./rlimits.ts";
import type { Process, Rlimit } from "./spec.ts";

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Longest path without and with the words that getcwd puts in front of a folder outside the root. */
const PATH_MAX = 4096;

/** Descriptors that the program of operations has open, and some more: a limit below comes into force at its end. */
const OWN_FILES = 1024;
const isFew = (limit: number | bigint) => limit >= 0 && limit < OWN_FILES;

function limitOperation({ type, soft, hard }: Rlimit, optional = false): Operation {
  const note = `limit: ${type} ${soft}, at most ${hard}`;
  return op("prlimit64", [0, rlimitNumber(type), { words: [soft, hard] }, 0], note, { on: type, optional });
}

/** Limits on resources, setrlimit(2): while the process may still raise them. */
export function rlimitOperations(process: Process): Operation[] {
  return (process.rlimits ?? []).map((limit) => {
    const { type, soft, hard } = limit;
    if (type !== "RLIMIT_NOFILE" || !isFew(soft)) return limitOperation(limit);
    return limitOperation({ type, soft: OWN_FILES, hard: isFew(hard) ? OWN_FILES : hard }, isFew(hard));
  });
}

/** personality(2) */
export function personalityOperations(personality: { domain: string } | undefined): Operation[] {
  if (personality === undefined) return [];
  const PER_LINUX32 = 8;
  return [op("personality", [personality.domain === "LINUX32" ? PER_LINUX32 : 0], `as ${personality.domain}`)];
}

/** The limit on open files, where it is fewer than we have open ourselves. */
function fewFiles({ rlimits = [] }: Process): Operation[] {
  return rlimits.filter(({ type, soft }) => type === "RLIMIT_NOFILE" && isFew(soft)).map((limit) =>
    limitOperation(limit)
  );
}

/**
 * Goes to the working directory, and makes sure that it is inside the root: getcwd would say `(unreachable)…` of a folder
 * that was reached through a descriptor of the host's (CVE-2024-21626).
 */
export function workingDirectory(cwd: string): Operation[] {
  const buffer = { cell: "cwd", size: PATH_MAX } as const;
  const unreachable = new DataView(new TextEncoder().encode("(unreach").buffer).getBigInt64(0, true);
  return [
    op("chdir", [cwd], "the working directory", { on: cwd }),
    op("getcwd", [buffer, PATH_MAX], "where is that?", { on: cwd }),
    op("add", [{ load: "cwd", size: PATH_MAX }, 0], "is it inside the root?", {
      jump: { when: "!=", than: unreachable, to: "working directory" },
    }),
    refuse(`the working directory ${cwd} is outside of the container: use a path inside it`),
    op("umask", [0o22], "permissions of new files", { name: "working directory" }),
  ];
}

/** The masks of a process's capabilities. @throws {MiniError} for one that this kernel does not know. */
function capabilityMasks({ capabilities = {} }: Process, lastCapability: number) {
  const all = (1n << BigInt(lastCapability + 1)) - 1n;
  const within = (names: string[] | undefined, what: string) => {
    const mask = capabilityMask(names ?? []);
    if (mask & ~all) {
      throw new MiniError(`this kernel does not know all of the ${what} capabilities that are asked for`);
    }
    return mask;
  };
  return {
    effective: within(capabilities.effective, "effective"),
    permitted: within(capabilities.permitted, "permitted"),
    inheritable: within(capabilities.inheritable, "inheritable"),
  };
}

/** Sets the three sets of capabilities, capset(2). */
export function capset(effective: bigint, permitted: bigint, inheritable: bigint, why: string): Operation {
  const low = (mask: bigint) => Number(mask & 0xffffffffn), high = (mask: bigint) => Number(mask >> 32n);
  const sets = [effective, permitted, inheritable];
  return op("capset", [
    new Uint8Array(new Uint32Array([_LINUX_CAPABILITY_VERSION_3, 0]).buffer),
    new Uint8Array(new Uint32Array([...sets.map(low), ...sets.map(high)]).buffer),
  ], why);
}

/** What no program of the process's may ever get, whatever it executes. */
function boundingOperations({ capabilities = {} }: Process, lastCapability: number): Operation[] {
  const bounding = capabilityMask(capabilities.bounding ?? []);
  return [
    ...CAPABILITIES.slice(0, lastCapability + 1).flatMap((name, number) =>
      bounding & 1n << BigInt(number)
        ? []
        : [op("prctl", [PR_CAPBSET_DROP, number, 0, 0, 0], `no program may ever get ${name}`, { on: name })]
    ),
    // Numbers that this list has no name for yet are dropped all the same.
    ...Array.from(
      { length: Math.max(0, lastCapability + 1 - CAPABILITIES.length) },
      (_, i) => op("prctl", [PR_CAPBSET_DROP, CAPABILITIES.length + i, 0, 0, 0], "a capability without a name here"),
    ),
  ];
}

/**
 * All that a process that joins a container gives up before anybody in there can see it: it keeps what its program may do,
 * and what the change of user takes. Whoever in the container may trace it (CAP_SYS_PTRACE) gains no more by that.
 *
 * @param more what the last steps take besides.
 */
export function giveUpCapabilities(process: Process, lastCapability: number, more: readonly string[]): Operation[] {
  return [...boundingOperations(process, lastCapability), keepCapabilities(process, lastCapability, more)];
}

/** The same where the bounding set is settled. */
export function keepCapabilities(process: Process, lastCapability: number, more: readonly string[] = []): Operation {
  const { effective, permitted, inheritable } = capabilityMasks(process, lastCapability);
  const kept = effective | permitted | inheritable |
    capabilityMask(["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", ...more]);
  return capset(kept, kept, 0n, "nothing that a program in the container could take from us");
}

/** User, groups and capabilities, in the only order that works; credentials(7), capabilities(7). */
export function identityOperations(process: Process, lastCapability: number, setgroups = true): Operation[] {
  return [...boundingOperations(process, lastCapability), ...becomeUser(process, lastCapability, setgroups)];
}

/** The same where the bounding set is settled. */
export function becomeUser(process: Process, lastCapability: number, setgroups = true): Operation[] {
  const { user, capabilities = {} } = process;
  const { effective, permitted, inheritable } = capabilityMasks(process, lastCapability);
  const groups = [...new Set(user.additionalGids ?? [])];
  return [
    op("prctl", [PR_SET_KEEPCAPS, 1, 0, 0, 0], "keep capabilities over the change of user, to choose among them"),
    // Where an ordinary user has written its maps itself it may not, and the groups of the host's that it is in are nobody's.
    op(
      "setgroups",
      [groups.length, new Uint8Array(new Uint32Array(groups).buffer)],
      groups.length > 0 ? `groups ${groups.join(" ")}` : "no further groups",
      {
        optional: !setgroups,
      },
    ),
    op("setresgid", [user.gid, user.gid, user.gid], `group ${user.gid}`),
    op("setresuid", [user.uid, user.uid, user.uid], `user ${user.uid}`),
    capset(effective, permitted, inheritable, "exactly the capabilities asked for"),
    op("prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0], "none handed on to programs of other users"),
    ...(capabilities.ambient ?? []).map((name) =>
      op("prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capabilityNumber(name), 0, 0], `except ${name}`, { on: name })
    ),
    ...(process.noNewPrivileges
      ? [op("prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0], "no setuid program gives more than this")]
      : []),
    ...(user.umask === undefined ? [] : [op("umask", [user.umask], "permissions of new files")]),
  ];
}

/**
 * The container dies with the process that started it, for which `sync` is open as long as that process lives. Set only now:
 * a change of credentials takes it back (prctl(2)).
 */
export function dieWithParent(sync: number): Operation[] {
  const MSG_PEEK = 2, MSG_DONTWAIT = 0x40;
  return [
    op("prctl", [PR_SET_PDEATHSIG, 9, 0, 0, 0], "die with mini"),
    op("recvfrom", [sync, { cell: "sync", size: 8 }, 1, MSG_PEEK | MSG_DONTWAIT, 0, 0], "is mini alive still?", {
      optional: true,
      jump: { when: "=", than: 0, to: "orphaned" },
    }),
  ];
}

/** Where `dieWithParent` and `waitForCaller` go when the caller is gone. */
export function orphaned(): Operation {
  return op("exit_group", [125], "mini is gone: end", { name: "orphaned" });
}

/** Tells the caller how far we are, and waits until it says that its part is done. */
export function waitForCaller(sync: number, why: string): Operation[] {
  return [
    op("write", [sync, "+", 1], `tell mini: ${why}`),
    op("read", [sync, { cell: "sync", size: 8 }, 1], "wait for mini's answer", {
      jump: { when: "=", than: 0, to: "orphaned" },
    }),
  ];
}

/** What was blocked while the process was made. Dispositions have been reset before this program began (spawn.ts). */
export function signalOperations(): Operation[] {
  return [op("rt_sigprocmask", [SIG_SETMASK, new Uint8Array(8), 0, 8], "no signal blocked")];
}

/** What the candidates of the search along PATH are called: `exec 0` …; and the looks for them before: `look 0` … */
export const EXEC = "exec ", LOOK = "look ";

/** Where a program may be: itself if it has a slash, else every folder of PATH, in order. */
export function execCandidates(process: Process): string[] {
  const program = process.args[0];
  if (!program) throw new MiniError("there is no program to run: the image names none, so give one after the image");
  if (program.includes("/")) return [program];
  const path = process.env?.findLast((v) => v.startsWith("PATH="))?.slice(5) || DEFAULT_PATH;
  return path.split(":").map((folder) => `${folder === "" ? "." : folder.replace(/\/+$/, "")}/${program}`);
}

/**
 * The program inherits nothing but the three standard descriptors, and what is to be passed on. Settled before a filter of
 * system calls is loaded: an older profile does not know this call.
 */
export function closeOnExec(preserveFds = 0): Operation {
  return op(
    "close_range",
    [3 + preserveFds, 0xffffffff, CLOSE_RANGE_CLOEXEC],
    "nothing else of ours is open in the program",
  );
}

/**
 * The last operations: the program itself, searched along PATH.
 *
 * @param last what is done directly before the program begins.
 */
export function execOperations(process: Process, last: readonly Operation[] = []): Operation[] {
  const candidates = execCandidates(process);
  return [
    ...fewFiles(process),
    ...last,
    ...candidates.map((path, i) =>
      op("execve", [path, process.args, process.env ?? []], `become ${path}`, {
        name: `${EXEC}${i}`,
        on: path,
        optional: i < candidates.length - 1,
      })
    ),
  ];
}

/** Errors of an execve that mean "look further along PATH". */
export const NOT_HERE: readonly number[] = [Errno.ENOENT, Errno.ENOTDIR];
