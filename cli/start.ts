/** `mini start`: in the background, or with -a as `mini run` does. */
import { MiniError } from "../ffi/errors.ts";
import { Containers } from "../engine/containers.ts";
import { parseDetachKeys } from "../engine/detach_keys.ts";
import { startAttached, startContainer } from "../engine/lifecycle.ts";
import type { Invocation } from "./command.ts";
import { forEachNamed } from "./each.ts";
import { tell } from "./note.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state), interactive = flags.boolean("interactive");
  if (!flags.boolean("attach") && !interactive) {
    return await forEachNamed(args, async (name) => startContainer(containers, await containers.get(name), tell));
  }
  if (args.length > 1) {
    throw new MiniError("one container at a time can have this terminal: start the others without -a and -i");
  }
  const detachKeys = parseDetachKeys(flags.string("detach-keys") ?? "");
  return await startAttached(containers, await containers.get(args[0]!), interactive, detachKeys, tell);
}
