/** Waiting for the end of a process for a while: a timer of Deno's would load what Deno has of Node. */
import { waitingSyscall } from "../ffi/kernel.ts";

const POLLIN = 1;

/** Whether the process behind a pidfd ends within so many seconds; ppoll(2) waits. */
export async function endsWithin(pidfd: number, seconds: number): Promise<boolean> {
  const entry = new Uint8Array(8), view = new DataView(entry.buffer); // struct pollfd
  view.setInt32(0, pidfd, true);
  view.setInt16(4, POLLIN, true);
  for (const end = Date.now() + 1000 * seconds;;) {
    const left = Math.max(0, end - Date.now());
    const time = new BigInt64Array([BigInt(Math.floor(left / 1000)), BigInt(left % 1000) * 1_000_000n]);
    const ready = await waitingSyscall("ppoll", entry, 1, time, null, 8);
    if (ready > 0) return true;
    if (left === 0) return false;
  }
}
