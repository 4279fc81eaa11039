/** What was printed and is not in the log yet. */
import { O_NONBLOCK, O_RDONLY } from "../../ffi/constants.ts";
import { Errno, SyscallError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { pause } from "../pause.ts";
import { STREAMS } from "../streams.ts";
import { bytesIn } from "./fifo.ts";

const PAUSE_MS = 5;

/**
 * Waits until the consumer has taken what was printed before: a monitor that is just being started takes a while. Whoever
 * looks at a log then finds what he has seen being made. Not longer than so many milliseconds, since it may go on for ever.
 */
export async function waitUntilTaken(stateFolder: string, milliseconds: number): Promise<void> {
  const deadline = performance.now() + milliseconds;
  for (const name of [STREAMS.stdout, STREAMS.stderr]) {
    let fd: number;
    try {
      fd = open(`${stateFolder}/${name}`, O_RDONLY | O_NONBLOCK);
    } catch (error) {
      // It does not run, or not in the background.
      if (error instanceof SyscallError && error.errno === Errno.ENOENT) continue;
      throw error;
    }
    try {
      while (bytesIn(fd) > 0 && performance.now() < deadline) {
        await pause(PAUSE_MS);
      }
    } finally {
      close(fd);
    }
  }
}
