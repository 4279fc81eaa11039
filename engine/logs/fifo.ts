/** What there is to know of a FIFO without taking anything from it. */
import { AT_FDCWD, F_SETPIPE_SZ, FIONREAD, O_CLOEXEC, O_WRONLY } from "../../ffi/constants.ts";
import { syscall, trySyscall } from "../../ffi/kernel.ts";

const POLLIN = 1, POLLHUP = 0x10;

/** How many bytes are in a FIFO. @throws {SyscallError} */
export function bytesIn(fd: number): number {
  const count = new Int32Array(1);
  syscall("ioctl", fd, FIONREAD, count);
  return count[0]!;
}

/** Whether a FIFO is empty and nobody has it open for writing. */
export function isHungUp(fd: number): boolean {
  const poll = new DataView(new ArrayBuffer(8));
  poll.setInt32(0, fd, true);
  poll.setInt16(4, POLLIN, true);
  trySyscall("ppoll", new Uint8Array(poll.buffer), 1, new BigInt64Array(2), null, 0);
  const events = poll.getInt16(6, true);
  return (events & POLLHUP) !== 0 && (events & POLLIN) === 0;
}

/** Makes a FIFO hold more. Where that is not allowed it stays as it is, which only costs more turns. */
export function enlarge(fd: number, bytes: number): void {
  trySyscall("fcntl", fd, F_SETPIPE_SZ, bytes);
}

let device: number | undefined;
/** The null device, open for writing. */
export function nullDevice(): number {
  return device ??= syscall("openat", AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC, 0);
}
