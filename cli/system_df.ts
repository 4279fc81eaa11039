/** `mini system df`. */

import { containersUsage } from "../engine/container_usage.ts";
import { Containers } from "../engine/containers.ts";
import { imagesUsage } from "../engine/images.ts";
import { volumesUsage } from "../engine/volumes/usage.ts";
import type { Invocation } from "./command.ts";
import { formatList, type Row } from "./format.ts";
import { humanSize } from "./human.ts";
import { noteDamage } from "./note.ts";
import { write } from "./output.ts";

const HEADINGS = { Type: "TYPE", TotalCount: "TOTAL", Active: "ACTIVE", Size: "SIZE", Reclaimable: "RECLAIMABLE" };

/** Shows how much of the disk is used, in blocks as du(1) counts. */
export default async function systemDf({ flags, globals }: Invocation): Promise<number> {
  const format = flags.string("format");
  if (flags.boolean("verbose")) {
    const { verboseDf } = await import("./system_df_verbose.ts");
    write(await verboseDf(new Containers(globals.root, globals.state), format));
    return 0;
  }
  const { total, used, count, active } = imagesUsage(globals.root);
  const containers = await containersUsage(new Containers(globals.root, globals.state), noteDamage);
  const volumes = volumesUsage(globals.root, noteDamage);
  const rows: Row[] = [
    row("Images", count, active, total, total - used),
    row("Containers", containers.count, containers.running, containers.total, containers.reclaimable),
    row("Local Volumes", volumes.count, volumes.active, volumes.total, volumes.reclaimable),
  ];
  const columns = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
  write(formatList(rows, { format, columns, headings: HEADINGS }));
  return 0;
}

function row(type: string, count: number, active: number, bytes: number, reclaimable: number): Row {
  const percent = bytes > 0 ? ` (${Math.floor(100 * reclaimable / bytes)}%)` : "";
  return {
    Type: type,
    TotalCount: String(count),
    Active: String(active),
    Size: humanSize(bytes, 4),
    Reclaimable: humanSize(reclaimable, 4) + percent,
  };
}
