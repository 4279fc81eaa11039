/**
 * A program: the list of system calls that a new process makes, as data.
 *
 * Programs are plain values: pure functions build them, tests compare them without root, `elf.ts` turns them into a file
 * that the kernel executes, and what is shown of them is what runs, because it is the same array.
 */
import type { SyscallName } from "./syscall_numbers.ts";

/** What an operation passes to the kernel. */
export type Argument =
  /** A plain value. */
  | number
  | bigint
  /** The address of a C string (the NUL is added). */
  | string
  /** The address of these bytes; the process cannot write to them. */
  | Uint8Array
  /** The address of a NULL-terminated vector of C strings, as execve takes it. */
  | readonly string[]
  /**
   * What the operation of that name returned. Both sides of a fork keep their results in the same place: where the other side
   * may come to that operation too (it returns from the clone itself), take the value from a cell instead.
   */
  | { readonly result: string }
  /** Where the result of the operation of that name is kept, for calls that read a small number through a pointer. */
  | { readonly resultAddress: string }
  /**
   * The address of writable memory of `size` bytes; the same name is the same memory. At first it is zero, or holds `words`,
   * of which none is known only at run time.
   */
  | { readonly cell: string; readonly size: number; readonly offset?: number; readonly words?: readonly Argument[] }
  /** The 64 bits at `offset` (any, aligned or not) of a cell. */
  | { readonly load: string; readonly size: number; readonly offset?: number }
  /** The address of a block of 64-bit words, each an argument itself but none known only at run time. */
  | { readonly words: readonly Argument[] };

/** A jump after the call: taken when the result compares so with `than` (0 where it is not given; signed). */
export interface Jump {
  readonly when: "<" | "=" | ">" | "<=" | ">=" | "!=" | "always";
  readonly than?: Argument;
  /** The name of the operation to go on with. */
  readonly to: string;
}

/** One system call of a program. */
export interface Operation {
  /** The call, or `add`: no call; its result is the sum of its two arguments. */
  readonly call: SyscallName | "add";
  readonly args: readonly Argument[];
  /** Why it is there, in a few words for people: `mount the container's own /proc`. */
  readonly why: string;
  /** What it is done to, where the arguments (descriptors, mostly) do not show it: a path, a limit's name. */
  readonly on?: string;
  /**
   * Its failure is noted and passed over. Otherwise a failure that no jump takes ends the process. A sum fails where this is
   * false and it is a negative errno value; without this it never fails.
   */
  readonly optional?: boolean;
  /** What jumps and `{ result }` call it. */
  readonly name?: string;
  readonly jump?: Jump;
  /** The call that it is made in the place of, with others, where that one is missing (without/lower.ts). */
  readonly insteadOf?: SyscallName;
}

/** A list of operations; the last one must not be passed by (an execve, an exit_group or a jump). */
export type Program = readonly Operation[];

/** Details of an operation beside its call and arguments. */
export type Details = Omit<Operation, "call" | "args" | "why">;

/** One operation. `op("sethostname", ["web", 3], "set the host name")` */
export function op(call: Operation["call"], args: readonly Argument[], why: string, details: Details = {}): Operation {
  return { call, args, why, ...details };
}

/** The value of the operation of that name, as an argument. */
export const result = (name: string): Argument => ({ result: name });

/** The index of each named operation. @throws {Error} when two have one name. */
export function indexByName(program: Program): Map<string, number> {
  const index = new Map<string, number>();
  program.forEach((operation, i) => {
    if (operation.name === undefined) return;
    if (index.has(operation.name)) throw new Error(`program: two operations are named ${operation.name}`);
    index.set(operation.name, i);
  });
  return index;
}
