/** `mini update`: other limits, and another restart policy. */
import { MiniError } from "../ffi/errors.ts";
import { Containers } from "../engine/containers.ts";
import { readChangeable } from "../engine/limits.ts";
import { readRestart } from "../engine/restart.ts";
import { update } from "../engine/update.ts";
import type { Invocation } from "./command.ts";
import { forEachNamed } from "./each.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const limits = readChangeable(flags), restart = flags.string("restart");
  if (Object.keys(limits).length === 0 && restart === undefined) {
    throw new MiniError("nothing is to be changed: say what, as in 'mini update --memory 512m web'");
  }
  const change = { limits, restart: restart === undefined ? undefined : readRestart(restart) };
  const containers = new Containers(globals.root, globals.state);
  const status = await forEachNamed(args, async (name) => update(containers, await containers.get(name), change));
  if (change.restart) {
    const { wakeMonitor } = await import("../engine/monitor/wake.ts");
    wakeMonitor(containers);
  }
  return status;
}
