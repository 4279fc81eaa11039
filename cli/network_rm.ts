/** `mini network rm`. */
import { Containers } from "../engine/containers.ts";
import { Networks } from "../engine/networks.ts";
import { NoSuchNetwork } from "../network/store.ts";
import type { Invocation } from "./command.ts";
import { forEachNamed } from "./each.ts";
import { tell } from "./note.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  await containers.sweep();
  const networks = new Networks(containers, tell);
  return await forEachNamed(
    args,
    (name) => Promise.try(() => void networks.remove(name)),
    (error) => flags.boolean("force") && error instanceof NoSuchNetwork,
  );
}
