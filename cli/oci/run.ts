/** `mini oci run`. */
import { OciContainers } from "../../engine/oci/containers.ts";
import { run } from "../../engine/oci/run.ts";
import type { OciInvocation } from "./command.ts";
import { creationOptions } from "./create.ts";

export default function (invocation: OciInvocation): Promise<number> {
  const { args, flags, globals, warn } = invocation;
  const options = {
    ...creationOptions(invocation),
    detach: flags.boolean("detach"),
    keep: flags.boolean("keep"),
  };
  return run(new OciContainers(globals.root), args[0]!, options, warn);
}
