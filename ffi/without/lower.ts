/**
 * Programs for kernels that lack some calls, and under filters that refuse them: the same program with other operations in
 * their place. What it is built by, what names its operations have and where it jumps to stays as it was.
 */
import { type Missing, MOUNT_CALLS } from "../available.ts";
import { CLOSE_RANGE_CLOEXEC, F_SETFD } from "../constants.ts";
import { gaps } from "../close_all_but.ts";
import { op, type Operation, type Program } from "../program.ts";
import type { SyscallName } from "../syscall_numbers.ts";
import { ORPHANED } from "./ask.ts";
import { Mounts, type Numbers } from "./mounts.ts";
import { openPath } from "./paths.ts";

/**
 * @param sections parts of a program, which no jump but one to its end leaves. @param isNew whether it begins in a new mount
 *   namespace.
 * @returns the operations that stand for each of the old ones, by section. @throws {MiniError} for what cannot be done without.
 */
export function lower(
  sections: readonly Program[],
  missing: Missing,
  numbers: Numbers,
  isNew: boolean,
): Operation[][] {
  const program = sections.flat();
  const calls = new Set<string>([...missing.openat2 ? ["openat2"] : [], ...missing.mounts ? MOUNT_CALLS : []]);
  const targets = new Set(program.flatMap(({ jump }) => jump?.to ?? []));
  const entries = new Map(
    program.flatMap(({ call, name }) =>
      name !== undefined && calls.has(call) && targets.has(name) ? [[name, `${name} begin`]] : []
    ),
  );
  const mounts = missing.mounts ? new Mounts(numbers, program, isNew) : undefined;
  const last = program.findLastIndex(({ call }) => (MOUNT_CALLS as readonly string[]).includes(call));
  const ownProcs = ownProcsOf(program);
  let at = 0;
  const lowered = sections.map((section) => {
    const operations = section.flatMap((operation) => {
      const next = program[++at];
      const jump = operation.jump && { ...operation.jump, to: entries.get(operation.jump.to) ?? operation.jump.to };
      const o: Operation = jump ? { ...operation, jump } : operation;
      if (missing.marking && o.call === "close_range" && o.args[2] === CLOSE_RANGE_CLOEXEC) {
        return closeAll(o, program.slice(at));
      }
      if (!calls.has(o.call)) return mounts && NAMESPACES.includes(o.call) ? mounts.follow(o) : [o];
      const { call: _call, args: _args, why: _why, ...rest } = o,
        details = { ...rest, name: o.name ?? `unnamed ${at}` };
      const instead = o.call === "openat2"
        ? openPath(o, details, numbers.ask, (name) => ownProcs.has(name))
        : mounts!.lower(o, details, next);
      return entered(instead, o.name === undefined ? undefined : entries.get(o.name));
    });
    // At the end of a section, where all of its jumps come to.
    return mounts && at > last ? [...operations, ...at < program.length ? mounts.end() : []] : operations;
  });
  const isThere = program.some(({ name }) => name === ORPHANED);
  return isThere ? lowered : [
    ...lowered.slice(0, -1),
    [...lowered.at(-1)!, op("exit_group", [125], "mini is gone: end", { name: ORPHANED })],
  ];
}

/** Closes what would be marked, and marks what is used still: by a number that the program was told. */
function closeAll({ args: [first], why }: Operation, rest: Program): Operation[] {
  const FD_CLOEXEC = 1;
  const used = rest.flatMap(({ call, args: [fd] }) =>
    (call === "read" || call === "write") && typeof fd === "number" && fd >= (first as number) ? [fd] : []
  );
  return [
    ...gaps(first as number, used).map(([from, to]) => op("close_range", [from, to, 0], why)),
    ...[...new Set(used)].map((fd) => op("fcntl", [fd, F_SETFD, FD_CLOEXEC], why)),
  ];
}

const NAMESPACES: readonly string[] = ["unshare", "setns", "clone3"] satisfies SyscallName[];

/** Where what jumped to an operation goes to now. */
function entered(operations: Operation[], entry: string | undefined): Operation[] {
  if (entry === undefined) return operations;
  const [first, ...rest] = operations;
  if (!first) throw new Error(`program: nothing is left of what is jumped to as ${entry}`);
  return first.name === undefined
    ? [{ ...first, name: entry }, ...rest]
    : [op("add", [0, 0], "go on here", { name: entry }), first, ...rest];
}

/** The operations that return a procfs that nobody has mounted anything in: those by which the program made one. */
function ownProcsOf(program: Program): Set<string> {
  const contexts = new Set(
    program.flatMap(({ call, args, name }) => call === "fsopen" && args[0] === "proc" && name ? [name] : []),
  );
  return new Set(program.flatMap(({ call, args: [context], name }) => {
    const isProc = typeof context === "object" && "result" in context && contexts.has(context.result);
    return call === "fsmount" && isProc && name ? [name] : [];
  }));
}
