/** `mini pause` and `mini unpause`. */
import { Containers } from "../engine/containers.ts";
import { pause } from "../engine/control.ts";
import type { Invocation } from "./command.ts";
import { forEachNamed } from "./each.ts";

export default async function ({ command, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const on = command.name === "pause";
  return await forEachNamed(args, async (name) => pause(containers, await containers.get(name), on));
}
