/** `run`: creates a container and starts it; in the foreground waits for its end and deletes it. */
import { MiniError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { isTerminal, plainLines } from "../../ffi/terminal.ts";
import type { OciContainers } from "./containers.ts";
import { create, type CreateOptions } from "./create.ts";
import { forget } from "./delete.ts";
import type { Warn } from "./hooks.ts";
import { start } from "./start.ts";

const SIGKILL = 9;

export interface RunOptions extends CreateOptions {
  /** It goes on when we have ended. */
  readonly detach: boolean;
  /** It is not deleted at its end. */
  readonly keep: boolean;
}

/**
 * Runs a container.
 *
 * @returns its exit status as a shell counts it; 0 when it is detached.
 * @throws {MiniError} when it cannot be created or started. Nothing is left then.
 */
export async function run(containers: OciContainers, id: string, options: RunOptions, warn: Warn): Promise<number> {
  const container = await create(containers, id, { ...options, keepTerminal: !options.detach }, warn);
  const finish = async () => {
    const lock = containers.lock(id);
    try {
      await forget(containers, containers.read(id), warn);
    } finally {
      close(lock);
    }
  };
  try {
    // What is not shown on a terminal is text, as runc writes it.
    if (container.terminal !== undefined && !isTerminal(1)) plainLines(container.terminal);
    await start(containers, id);
  } catch (error) {
    container.kill(SIGKILL);
    await container.wait().catch((error) => {
      if (!(error instanceof MiniError)) throw error; // why it has ended is known
    });
    if (container.terminal !== undefined) close(container.terminal);
    await finish();
    throw error;
  }
  if (options.detach) {
    container.leave();
    return 0;
  }
  const { inForeground } = await import("./foreground.ts");
  const status = await inForeground(container, options.consoleSocket === undefined);
  if (!options.keep) await finish();
  return status;
}
