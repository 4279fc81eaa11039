/** `mini ps`, with Docker's columns. */
import { Containers, type Found } from "../engine/containers.ts";
import type { Invocation } from "./command.ts";
import { formatList, type Row } from "./format.ts";
import { ago, humanDuration } from "./human.ts";
import { noteDamage } from "./note.ts";
import { write } from "./output.ts";

const HEADINGS = {
  ID: "CONTAINER ID",
  Image: "IMAGE",
  Command: "COMMAND",
  CreatedAt: "CREATED AT",
  RunningFor: "CREATED",
  Ports: "PORTS",
  State: "STATE",
  Status: "STATUS",
  Names: "NAMES",
  Labels: "LABELS",
  Networks: "NETWORKS",
};

export default async function ({ flags, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  await containers.sweepAll();
  const all = await containers.list(noteDamage);
  const shown = all.filter((c) => flags.boolean("all") || !["created", "exited"].includes(c.status));
  const whole = flags.boolean("no-trunc");
  if (flags.boolean("quiet") && !flags.given("format")) {
    write(shown.map((c) => `${whole ? c.record.id : c.record.id.slice(0, 12)}\n`).join(""));
    return 0;
  }
  write(formatList(shown.map((c) => row(c, whole)), {
    format: flags.string("format"),
    columns: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
    headings: HEADINGS,
  }));
  return 0;
}

function row(container: Found, whole: boolean): Row {
  const { record, status } = container;
  const command = record.config.args.join(" ");
  const shown = whole || command.length <= 20 ? command : `${command.slice(0, 19)}…`;
  return {
    ID: whole ? record.id : record.id.slice(0, 12),
    Image: record.image,
    Command: `"${shown}"`,
    CreatedAt: record.created,
    RunningFor: ago(new Date(record.created)),
    Ports: "",
    State: status,
    Status: describe(container),
    Names: record.name,
    Labels: Object.entries(record.config.labels).map(([key, value]) => `${key}=${value}`).join(","),
    Networks: record.config.network,
  };
}

function describe({ record, status }: Found): string {
  if (status === "restarting") return `Restarting (${record.end!.exitCode}) ${ago(new Date(record.end!.finishedAt))}`;
  if (status === "paused") return `${describe({ record, status: "running" })} (Paused)`;
  if (status === "running") return `Up ${humanDuration(Date.now() - Date.parse(record.startedAt ?? record.created))}`;
  if (record.end) return `Exited (${record.end.exitCode}) ${ago(new Date(record.end.finishedAt))}`;
  return status === "exited" ? "Exited" : "Created";
}
