/** `mini oci state`. */
import { OciContainers } from "../../engine/oci/containers.ts";
import { jsonText, write } from "../output.ts";
import type { OciInvocation } from "./command.ts";

export default function ({ args, globals }: OciInvocation): number {
  const containers = new OciContainers(globals.root);
  write(`${jsonText(containers.state(containers.read(args[0]!)), 2)}\n`);
  return 0;
}
