/** `mini ps`, with Docker's columns. */
import { Containers, type Found } from "../engine/containers.ts";
import type { Invocation } from "./command.ts";
import { parseFilters, splitFilters } from "./filter.ts";
import { formatList, type Row } from "./format.ts";
import { ago, humanDuration } from "./human.ts";
import { noteDamage } from "./note.ts";
import { shorten, write } from "./output.ts";
import { psMatchers } from "./ps_filters.ts";
import { healthOf } from "../engine/health/file.ts";
import type { Health } from "../engine/health/state.ts";
import { networksOf } from "../engine/network_view.ts";
import { describePorts } from "../network/ports.ts";
import { formatCreatedAt } from "./times.ts";

export const HEADINGS = {
  ID: "CONTAINER ID",
  Image: "IMAGE",
  Command: "COMMAND",
  CreatedAt: "CREATED AT",
  RunningFor: "CREATED",
  Ports: "PORTS",
  State: "STATE",
  Status: "STATUS",
  Size: "SIZE",
  Names: "NAMES",
  Labels: "LABELS",
  Label: (key: unknown) => String(key),
  Mounts: "MOUNTS",
  LocalVolumes: "LOCAL VOLUMES",
  Networks: "NETWORKS",
};
/** The formats that need what takes long to find out, and of these those that need the size. */
const DETAILS = /\.(Mounts|LocalVolumes|Size)\b|^json$|\bjson\s+\./, SIZE = /\.Size\b|^json$|\bjson\s+\./;
/** Characters of a command that are shown, as in Docker. */
const COMMAND_WIDTH = 20;

export default async function ({ flags, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  await containers.sweepAll();
  const damaged: string[] = [], all = await containers.list(noteDamage, damaged);
  if (damaged.length > 0) {
    all.push(...(await import("../engine/damaged.ts")).damagedContainers(containers, damaged));
    all.sort((a, b) => b.record.created < a.record.created ? -1 : 1);
  }
  const filters = flags.list("filter"), keys = splitFilters(filters).map(([key]) => key);
  const store = keys.includes("ancestor") ? new (await import("../images/store.ts")).Store(globals.root) : undefined;
  const matches = parseFilters(filters, psMatchers({ containers, all, store }));
  const limit = flags.boolean("latest") ? 1 : flags.number("last")!;
  // These ask for containers that do not run.
  const isAll = flags.boolean("all") || limit > 0 || keys.includes("status") || keys.includes("exited");
  const matching = all.filter((found) => (isAll || isUp(found)) && matches(found));
  const shown = limit > 0 ? matching.slice(0, limit) : matching;
  const whole = flags.boolean("no-trunc"), format = flags.string("format") ?? "";
  if (flags.boolean("quiet") && format === "") {
    write(shown.map((c) => `${whole ? c.record.id : c.record.id.slice(0, 12)}\n`).join(""));
    return 0;
  }
  const withSize = flags.boolean("size");
  const needsSize = withSize || SIZE.test(format);
  const details = needsSize || DETAILS.test(format)
    ? (await import("./ps_details.ts")).detailsOf(containers, whole, needsSize)
    : undefined;
  const rows = shown.map((found) => ({ ...psRow(containers, found, whole), ...details?.(found) }));
  const size = withSize ? "\t{{.Size}}" : "";
  write(formatList(rows, {
    format: format || undefined,
    columns: `{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}${size}`,
    headings: HEADINGS,
  }));
  return 0;
}

/** Whether it is among those that are listed without `--all`. */
const isUp = ({ status }: Found) => status !== "created" && status !== "exited" && status !== "dead";

/** What is shown of a container, without what takes long to find out. */
export function psRow(containers: Containers, container: Found, whole: boolean): Row {
  const { record, status } = container;
  const networks = record.config.networks && networksOf(containers, record.id);
  // As Docker, which quotes what has a blank in it.
  const command = record.config.args.map((word, i) => i > 0 && word.includes(" ") ? `'${word}'` : word).join(" ");
  const { labels } = record.config;
  return {
    ID: whole ? record.id : record.id.slice(0, 12),
    Image: record.image,
    Command: `"${whole ? command : shorten(command, COMMAND_WIDTH)}"`,
    CreatedAt: formatCreatedAt(record.created),
    RunningFor: ago(new Date(record.created)),
    Ports: describePorts(networks?.ports ?? [], networks ? record.config.exposed : []),
    State: status,
    Status: describe(container) + describeHealth(healthOf(containers, container), status),
    Names: record.name,
    Labels: Object.entries(labels).map(([key, value]) => `${key}=${value}`).sort().join(","),
    Label: (key: unknown) => Object.hasOwn(labels, String(key)) ? labels[String(key)] : "",
    Networks: (record.config.networks?.map(({ name }) => name) ?? [record.config.network]).join(","),
  };
}

/** As Docker adds it to what runs: ` (healthy)`, ` (health: starting)`. */
function describeHealth(health: Health | undefined, status: Found["status"]): string {
  if (!health || status !== "running") return "";
  return health.Status === "starting" ? " (health: starting)" : ` (${health.Status})`;
}

function describe({ record, status }: Found): string {
  if (status === "restarting") return `Restarting (${record.end!.exitCode}) ${ago(new Date(record.end!.finishedAt))}`;
  if (status === "dead") return "Dead (damaged record)";
  if (status === "paused") return `${describe({ record, status: "running" })} (Paused)`;
  if (status === "running") return `Up ${humanDuration(Date.now() - Date.parse(record.startedAt ?? record.created))}`;
  if (record.end) return `Exited (${record.end.exitCode}) ${ago(new Date(record.end.finishedAt))}`;
  return status === "exited" ? "Exited" : "Created";
}
