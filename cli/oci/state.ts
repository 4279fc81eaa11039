/** `mini oci state`. */
import { OciContainers } from "../../engine/oci/containers.ts";
import { write } from "../output.ts";
import type { OciInvocation } from "./command.ts";

export default function ({ args, globals }: OciInvocation): number {
  const containers = new OciContainers(globals.root);
  write(`${JSON.stringify(containers.state(containers.read(args[0]!)), null, 2)}\n`);
  return 0;
}
