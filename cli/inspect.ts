/** `mini inspect`, in the shape of `docker inspect`. */
import { Containers } from "../engine/containers.ts";
import { inspection } from "../engine/inspect.ts";
import type { Invocation } from "./command.ts";
import { forEachInspected } from "./inspect_output.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  return await forEachInspected(
    args,
    flags.string("format"),
    async (name) => inspection(containers, await containers.get(name)),
  );
}
