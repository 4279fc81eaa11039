/** Waits for a container, or a process in one, as its foreground: signals to us are its own. */
import { shellStatus } from "../../ffi/exit_status.ts";
import { isTerminal } from "../../ffi/terminal.ts";
import type { Container } from "../../runtime/container.ts";
import { withTerminal } from "../foreground_terminal.ts";
import { Signals } from "../signals.ts";

/**
 * @param ownTerminal its terminal, where it has one, is connected with ours.
 * @returns its exit status as a shell counts it.
 * @throws {MiniError} when it could not be started.
 */
export async function inForeground(container: Container, ownTerminal: boolean): Promise<number> {
  using signals = new Signals();
  if (ownTerminal && container.terminal !== undefined) {
    const { status, lost } = await withTerminal(container, signals, { interactive: isTerminal(0) });
    if (lost) throw lost;
    return shellStatus(status);
  }
  return shellStatus(await signals.during((signal) => container.kill(signal), () => container.wait()));
}
