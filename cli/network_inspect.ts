/** `mini network inspect`, in the shape of `docker network inspect`. */
import { Containers } from "../engine/containers.ts";
import { networkInspection } from "../engine/network_inspect.ts";
import { Networks } from "../engine/networks.ts";
import type { Invocation } from "./command.ts";
import { forEachInspected } from "./inspect_output.ts";
import { tell } from "./note.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const networks = new Networks(new Containers(globals.root, globals.state), tell);
  return await forEachInspected(args, flags.string("format"), async (name) => {
    const network = networks.get(name);
    return networkInspection(network, await networks.members(network));
  });
}
