/**
 * Moving bytes from a FIFO to a file on a file system that has no splice(2): they are looked at with tee(2), written, and
 * only then taken. A writer that is killed between the last two leaves them in both, so that they come twice: there is no
 * third way, and none is lost.
 */
import { F_SETPIPE_SZ, O_CLOEXEC, SPLICE_F_NONBLOCK } from "../../ffi/constants.ts";
import { syscall, trySyscall } from "../../ffi/kernel.ts";
import { nullDevice } from "./fifo.ts";

const MOST_BYTES = 64 << 10;
let between: { read: number; write: number; buffer: Uint8Array } | undefined;

/** Moves at most so many bytes to an offset of a file. @returns their number, or -errno. */
export function copyByTee(from: number, to: number, offset: number, most: number): number {
  if (!between) {
    const pair = new Int32Array(2);
    syscall("pipe2", pair, O_CLOEXEC);
    trySyscall("fcntl", pair[1]!, F_SETPIPE_SZ, MOST_BYTES);
    between = { read: pair[0]!, write: pair[1]!, buffer: new Uint8Array(MOST_BYTES) };
  }
  const { read, write, buffer } = between;
  const seen = trySyscall("tee", from, write, Math.min(most, MOST_BYTES), SPLICE_F_NONBLOCK);
  if (seen <= 0) return seen;
  for (let n = 0; n < seen;) n += syscall("read", read, buffer.subarray(n), seen - n);
  const written = trySyscall("pwrite64", to, buffer, seen, offset);
  for (let n = 0; n < written;) {
    n += syscall("splice", from, null, nullDevice(), null, written - n, SPLICE_F_NONBLOCK);
  }
  return written;
}
