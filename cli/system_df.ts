/** `mini system df`. */

import { imagesUsage } from "../engine/images.ts";
import type { Invocation } from "./command.ts";
import { formatList, type Row } from "./format.ts";
import { humanSize } from "./human.ts";
import { write } from "./output.ts";

const HEADINGS = { Type: "TYPE", TotalCount: "TOTAL", Active: "ACTIVE", Size: "SIZE", Reclaimable: "RECLAIMABLE" };

/** Shows how much of the disk is used, in blocks as du(1) counts. */
export default function systemDf({ flags, globals }: Invocation): number {
  const { total, used, count, active } = imagesUsage(globals.root);
  const rows: Row[] = [row("Images", count, active, total, total - used)];
  const columns = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
  write(formatList(rows, { format: flags.string("format"), columns, headings: HEADINGS }));
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
