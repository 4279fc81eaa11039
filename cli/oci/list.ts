/** `mini oci list`. */
import { MiniError } from "../../ffi/errors.ts";
import { OciContainers, type OciState } from "../../engine/oci/containers.ts";
import { jsonText, layTable, printable, write } from "../output.ts";
import type { OciInvocation } from "./command.ts";

export default function ({ flags, globals, warn }: OciInvocation): number {
  const containers = new OciContainers(globals.root), states: OciState[] = [];
  for (const id of containers.ids()) {
    try {
      states.push(containers.state(containers.read(id)));
    } catch (error) {
      if (!(error instanceof MiniError)) throw error;
      warn(error.message);
    }
  }
  if (flags.boolean("quiet")) write(states.map(({ id }) => `${id}\n`).join(""));
  else if (flags.string("format") === "json") write(`${jsonText(states)}\n`);
  else {
    write(layTable([
      ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"],
      ...states.map((s) => [s.id, `${s.pid}`, s.status, printable(s.bundle), s.created, s.owner]),
    ]));
  }
  return 0;
}
