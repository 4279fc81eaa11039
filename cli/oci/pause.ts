/** `mini oci pause`. */
import { OciContainers } from "../../engine/oci/containers.ts";
import { pause } from "../../engine/oci/kill.ts";
import type { OciInvocation } from "./command.ts";

export default async function ({ args, globals }: OciInvocation): Promise<number> {
  await pause(new OciContainers(globals.root), args[0]!);
  return 0;
}
