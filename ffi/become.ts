/** Becomes a program of operations: the same process, without JavaScript from here on. What it ends with may be this program again. */
import { AT_EMPTY_PATH, F_SETFD } from "./constants.ts";
import { SyscallError } from "./errors.ts";
import { elf } from "./elf.ts";
import { close, cString, machine, syscall, trySyscall } from "./kernel.ts";
import type { Program } from "./program.ts";
import { sealedFile, sharedProgram } from "./spawn.ts";

const SIGPIPE = 13;

/**
 * Replaces this process by a program. Its number, its streams, its parent stay; nothing of JavaScript is left, so that the
 * program itself has to tell what goes wrong.
 *
 * @param pass further descriptors that it keeps. @throws {SyscallError} when it cannot begin.
 */
export function become(program: Program, pass: readonly number[] = []): never {
  const { fd: results, program: whole } = sharedProgram(program);
  const file = sealedFile(elf(whole, machine));
  try {
    // Deno ignores it, and what is ignored stays so.
    syscall("rt_sigaction", SIGPIPE, new BigUint64Array(4), null, 8);
    for (const fd of [results, ...pass]) syscall("fcntl", fd, F_SETFD, 0);
    const argv = new BigUint64Array([BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(cString("mini")))), 0n]);
    const errno = -trySyscall("execveat", file, "", argv, new BigUint64Array(1), AT_EMPTY_PATH);
    throw new SyscallError("execveat", errno, "mini's own program");
  } finally {
    close(file);
    close(results);
  }
}
