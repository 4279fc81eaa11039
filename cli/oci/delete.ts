/** `mini oci delete`. */
import { OciContainers } from "../../engine/oci/containers.ts";
import { remove } from "../../engine/oci/delete.ts";
import type { OciInvocation } from "./command.ts";

export default async function ({ args, flags, globals, warn }: OciInvocation): Promise<number> {
  await remove(new OciContainers(globals.root), args[0]!, flags.boolean("force"), warn);
  return 0;
}
