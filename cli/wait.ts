/** `mini wait`: prints how containers ended, once they have. */
import { Containers } from "../engine/containers.ts";
import { type WaitCondition, waitFor } from "../engine/wait.ts";
import type { Invocation } from "./command.ts";
import { printEach } from "./each.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const condition = flags.string("condition") as WaitCondition;
  // All at once: one that is removed at its end must be waited for before that.
  await containers.sweepAll();
  const since = Date.now();
  const waiting = args.map(async (name) => await waitFor(containers, await containers.get(name), condition, since));
  // Each is waited for below, the first one first; until then the failure of another is nobody's.
  for (const one of waiting) one.catch(() => {});
  return await printEach(waiting, async (one) => String(await one));
}
