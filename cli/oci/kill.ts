/** `mini oci kill`. */
import { OciContainers } from "../../engine/oci/containers.ts";
import { kill } from "../../engine/oci/kill.ts";
import { signalNumber } from "../../runtime/signals.ts";
import type { OciInvocation } from "./command.ts";

export default function ({ args, flags, globals }: OciInvocation): number {
  kill(new OciContainers(globals.root), args[0]!, signalNumber(args[1] || "SIGTERM"), flags.boolean("all"));
  return 0;
}
