/** `mini attach`: a container in the background gets our terminal, or our streams. */
import { attach } from "../engine/attach.ts";
import { Containers } from "../engine/containers.ts";
import { parseDetachKeys } from "../engine/detach_keys.ts";
import type { Invocation } from "./command.ts";
import { tell } from "./note.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const detachKeys = parseDetachKeys(flags.string("detach-keys") ?? "");
  const containers = new Containers(globals.root, globals.state);
  const result = await attach(containers, await containers.get(args[0]!), {
    input: !flags.boolean("no-stdin"),
    forwardSignals: flags.boolean("sig-proxy"),
    detachKeys,
  });
  if (result !== "detached") return result.status;
  tell(`detached from ${args[0]}, which goes on`);
  return 0;
}
