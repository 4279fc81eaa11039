/** `mini kill`. */
import { Containers } from "../engine/containers.ts";
import { kill } from "../engine/control.ts";
import { signalNumber } from "../runtime/signals.ts";
import type { Invocation } from "./command.ts";
import { forEachNamed } from "./each.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state), signal = flags.string("signal")!;
  signalNumber(signal);
  return await forEachNamed(args, async (name) => kill(containers, await containers.get(name), signal));
}
