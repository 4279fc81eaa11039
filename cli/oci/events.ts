/** `mini oci events`. */
import { MiniError } from "../../ffi/errors.ts";
import { OciContainers } from "../../engine/oci/containers.ts";
import { oomKills, stats } from "../../engine/oci/events.ts";
import { openProcess } from "../../engine/process.ts";
import { close } from "../../ffi/kernel.ts";
import { endsWithin } from "../../runtime/process_end.ts";
import { write } from "../output.ts";
import type { OciInvocation } from "./command.ts";

export default async function ({ args, flags, globals }: OciInvocation): Promise<number> {
  const [id = ""] = args, record = new OciContainers(globals.root).read(id), { cgroup } = record;
  if (cgroup === undefined) throw new MiniError(`${id} has no cgroup, since this host has no cgroup v2`);
  const pidfd = openProcess(record);
  if (pidfd === undefined) throw new MiniError(`container not running: ${id} is stopped`);
  try {
    const tell = (type: string, data?: unknown) => write(`${toJson({ type, id, ...data ? { data } : {} })}\n`);
    tell("stats", stats(cgroup));
    if (flags.boolean("stats")) return 0;
    for (let killed = oomKills(cgroup); !await endsWithin(pidfd, (flags.number("interval") ?? 5000) / 1000);) {
      const now = oomKills(cgroup);
      if (now > killed) tell("oom");
      killed = now;
      tell("stats", stats(cgroup));
    }
    return 0;
  } finally {
    close(pidfd);
  }
}

/** With numbers beyond 2⁵³ as what they are. */
function toJson(value: unknown): string {
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  return JSON.stringify(value, (_, item) => typeof item === "bigint" ? rawJSON(`${item}`) : item);
}
