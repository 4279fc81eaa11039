/** `mini stats`: what containers use, drawn again and again on a terminal. */
import { Containers, type Found, NoSuchContainer } from "../engine/containers.ts";
import { type Sample, sample, type Transfer, type Usage, usage } from "../engine/stats.ts";
import type { Invocation } from "./command.ts";
import { formatList, type Row } from "./format.ts";
import { humanBinarySize, humanSize } from "./human.ts";
import { noteDamage } from "./note.ts";
import { write } from "./output.ts";

const HEADINGS = {
  Container: "CONTAINER",
  ID: "CONTAINER ID",
  Name: "NAME",
  CPUPerc: "CPU %",
  MemUsage: "MEM USAGE / LIMIT",
  MemPerc: "MEM %",
  NetIO: "NET I/O",
  BlockIO: "BLOCK I/O",
  PIDs: "PIDS",
};
const COLUMNS = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
/** Between two looks, and between the two that one table is made of. */
const PERIOD_MILLISECONDS = 1000, FIRST_MILLISECONDS = 400;
/** To the upper left corner; what is left of a line; what is left of the screen. */
const HOME = "\x1b[H", CLEAR_LINE = "\x1b[K", CLEAR_BELOW = "\x1b[J", CLEAR_ALL = "\x1b[2J";
/** What cannot be known. */
const UNKNOWN = "--";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const all = flags.boolean("all"), once = flags.boolean("no-stream"), whole = flags.boolean("no-trunc");
  const format = flags.string("format");
  const isLive = !once && Deno.stdout.isTerminal() && (format === undefined || format.startsWith("table"));
  // Names that are none are told before anything is drawn.
  for (const name of args) await containers.get(name);
  let before = new Map<string, Sample>();
  for (let round = 0;; round++) {
    const found = await look(containers, args, all);
    const now = new Map(found.flatMap(({ each }): [string, Sample][] => {
      const taken = sample(each);
      return taken ? [[each.record.id, taken]] : [];
    }));
    // A first table without the processors' share would have to be taken back at once.
    if (round > 0) {
      const rows = found.map(({ each, asked }) => {
        const { id } = each.record, line = row(each, now.get(id), before.get(id), whole);
        return { Container: asked ?? line.ID, ...line };
      });
      const text = formatList(rows, { format, columns: COLUMNS, headings: HEADINGS });
      write(isLive ? draw(text, round === 1) : text);
      if (once) return 0;
    }
    before = now;
    await new Promise((resolve) => setTimeout(resolve, round === 0 ? FIRST_MILLISECONDS : PERIOD_MILLISECONDS));
  }
}

/** A container, and what it was called on the command line. */
interface Asked {
  readonly each: Found;
  readonly asked?: string;
}

/** Those that are named, as long as they are there, or those that run. */
async function look(containers: Containers, names: readonly string[], all: boolean): Promise<Asked[]> {
  if (names.length === 0) {
    return (await containers.list(noteDamage)).filter(({ running }) => all || running).map((each) => ({ each }));
  }
  const found: Asked[] = [];
  for (const name of names) {
    try {
      found.push({ each: await containers.get(name), asked: name });
    } catch (error) {
      if (!(error instanceof NoSuchContainer)) throw error; // removed since the first look
    }
  }
  return found;
}

/** The table over the one that is there, without the flicker of an empty screen. */
function draw(text: string, first: boolean): string {
  return `${first ? CLEAR_ALL : ""}${HOME}${text.replaceAll("\n", `${CLEAR_LINE}\n`)}${CLEAR_BELOW}`;
}

function row({ record }: Found, now: Sample | undefined, before: Sample | undefined, whole: boolean): Row {
  const used: Partial<Usage> = now ? usage(now, before) : {};
  const id = whole ? record.id : record.id.slice(0, 12);
  return {
    ID: id,
    Name: record.name,
    CPUPerc: percent(used.cpuPercent),
    MemUsage: `${size(used.memory)} / ${size(used.memoryLimit)}`,
    MemPerc: percent(used.memoryPercent),
    NetIO: transfer(used.network),
    BlockIO: transfer(used.block),
    PIDs: String(used.pids ?? UNKNOWN),
  };
}

const percent = (value: number | undefined) => value === undefined ? UNKNOWN : `${value.toFixed(2)}%`;
const size = (bytes: number | undefined) => bytes === undefined ? UNKNOWN : humanBinarySize(bytes);
const transfer = (bytes: Transfer | undefined) =>
  bytes ? `${humanSize(bytes.in)} / ${humanSize(bytes.out)}` : `${UNKNOWN} / ${UNKNOWN}`;
