/** `mini oci resume`. */
import { OciContainers } from "../../engine/oci/containers.ts";
import { resume } from "../../engine/oci/kill.ts";
import type { OciInvocation } from "./command.ts";

export default async function ({ args, globals }: OciInvocation): Promise<number> {
  await resume(new OciContainers(globals.root), args[0]!);
  return 0;
}
