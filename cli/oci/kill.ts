/** `mini oci kill`. */
import { OciContainers } from "../../engine/oci/containers.ts";
import { kill } from "../../engine/oci/kill.ts";
import { signalNumber } from "../../runtime/signals.ts";
import type { OciInvocation } from "./command.ts";

export default function ({ args, flags, globals }: OciInvocation): number {
  // 0 is no signal: it asks whether there is a process to send one to, kill(2).
  const signal = args[1] === "0" ? 0 : signalNumber(args[1] || "SIGTERM");
  kill(new OciContainers(globals.root), args[0]!, signal, flags.boolean("all"));
  return 0;
}
