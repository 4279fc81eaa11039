/** `mini restart`: all of them at once, so that many take no longer than the slowest. */
import { Containers } from "../engine/containers.ts";
import { restartContainer } from "../engine/lifecycle.ts";
import type { Invocation } from "./command.ts";
import { forAllNamed } from "./each.ts";
import { tell } from "./note.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const seconds = flags.number("time"), signal = flags.string("signal");
  return await forAllNamed(
    args,
    async (name) => restartContainer(containers, await containers.get(name), seconds, signal, tell),
  );
}
