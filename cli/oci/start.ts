/** `mini oci start`. */
import { OciContainers } from "../../engine/oci/containers.ts";
import { start } from "../../engine/oci/start.ts";
import type { OciInvocation } from "./command.ts";

export default async function ({ args, globals }: OciInvocation): Promise<number> {
  await start(new OciContainers(globals.root), args[0]!);
  return 0;
}
