/** `mini oci ps`. */
import { MiniError } from "../../ffi/errors.ts";
import { OciContainers } from "../../engine/oci/containers.ts";
import { below } from "../../engine/oci/kill.ts";
import { processes } from "../../runtime/cgroup.ts";
import { write } from "../output.ts";
import type { OciInvocation } from "./command.ts";

export default function ({ args, flags, globals }: OciInvocation): number {
  const [id = "", ...options] = args;
  const { cgroup } = new OciContainers(globals.root).read(id);
  if (cgroup === undefined) throw new MiniError(`${id} has no cgroup, by which its processes are known`);
  const pids = below(cgroup).flatMap(processes);
  if (flags.string("format") === "json") write(`${JSON.stringify(pids)}\n`);
  else write(table(pids, options.length > 0 ? options : ["-ef"]));
  return 0;
}

/** What ps(1) of the host says of these processes. */
function table(pids: readonly number[], options: readonly string[]): string {
  let output: Deno.CommandOutput;
  try {
    output = new Deno.Command("ps", { args: [...options], stdin: "null" }).outputSync();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new MiniError("there is no program ps on this host: use --format json");
  }
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!output.success) throw new MiniError(`ps ${options.join(" ")}: ${decode(output.stderr).trim().split("\n")[0]}`);
  const [header = "", ...lines] = decode(output.stdout).split("\n");
  const column = header.trim().split(/\s+/).indexOf("PID");
  if (column < 0) throw new MiniError("the options for ps must have it show the column PID");
  const known = new Set(pids.map(String));
  return [header, ...lines.filter((line) => known.has(line.trim().split(/\s+/)[column]!))].map((l) => `${l}\n`).join(
    "",
  );
}
