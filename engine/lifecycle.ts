/** Containers that exist, started and started again. */
import { MiniError } from "../ffi/errors.ts";
import { Store } from "../images/store.ts";
import type { Containers, Found } from "./containers.ts";
import { stop } from "./control.ts";
import { startInBackground } from "./detached.ts";
import { emitContainer } from "./events.ts";
import { checkTerminal } from "./foreground.ts";
import { explainHost } from "./host_error.ts";
import { wakeMonitor } from "./monitor/wake.ts";
import { runMade } from "./run.ts";
import { Signals } from "./signals.ts";
import { type Note, take } from "./start.ts";

/** Starts a container in the background. One that runs is started already. @throws {MiniError} when it cannot be started. */
export async function startContainer(containers: Containers, found: Found, note: Note): Promise<void> {
  const { status, record: { id, name } } = found;
  if (status === "paused") throw new MiniError(`container ${name} is paused: continue it with 'mini unpause ${name}'`);
  if (status === "running") return;
  try {
    await startInBackground(containers, take(containers, new Store(containers.root), id), note);
    wakeMonitor(containers);
  } catch (error) {
    throw explainHost(error, containers);
  }
}

/**
 * Starts a container in the foreground and waits for its end, as `run` does.
 *
 * @param interactive our standard input is the container's, if it was made with -i. @returns its exit status as a shell counts it,
 *   0 if it was detached from and goes on.
 */
export async function startAttached(
  containers: Containers,
  { record: { id, name, config }, running }: Found,
  interactive: boolean,
  detachKeys: readonly number[],
  note: Note,
): Promise<number> {
  if (running) throw new MiniError(`container ${name} runs already; look at it with 'mini attach ${name}'`);
  const withInput = interactive && config.openStdin;
  try {
    if (config.tty && withInput) checkTerminal();
    using signals = new Signals();
    const made = take(containers, new Store(containers.root), id);
    return await runMade(
      containers,
      made,
      signals,
      { interactive: withInput, fresh: false, detachKeys },
      note,
    );
  } catch (error) {
    throw explainHost(error, containers);
  }
}

/** Stops a container if it runs, and starts it in the background. */
export async function restartContainer(
  containers: Containers,
  found: Found,
  seconds: number | undefined,
  signal: string | undefined,
  note: Note,
): Promise<void> {
  await stop(containers, found, seconds, signal);
  const now = await containers.find(found.record.id);
  if (!now) throw new MiniError(`container ${found.record.name} was removed when it ended (--rm)`);
  await startContainer(containers, now, note);
  emitContainer(containers.state, now.record, "restart");
}
