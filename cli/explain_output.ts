/** How steps of engine/explain.ts are printed: as a table, as Markdown, as JSON. */
import { folded, type Step } from "../engine/explain.ts";
import { jsonText, layTable, printable, shorten } from "./output.ts";

export const FORMATS = ["table", "json", "markdown"] as const;
export type ExplainFormat = typeof FORMATS[number];

export interface Look {
  readonly format: ExplainFormat;
  /** Steps that follow each other and do the same are one line. */
  readonly fold: boolean;
  /** Columns of the terminal; undefined when nobody looks at one. */
  readonly width?: number | undefined;
  readonly colours: boolean;
}

const COLOURS: Readonly<Record<string, number>> = {
  mini: 35,
  namespaces: 36,
  root: 32,
  mounts: 32,
  devices: 33,
  security: 31,
  process: 34,
  exec: 1,
};
const NARROW_CALL = 40, SHARE_OF_CALL = 0.6;

/** Paths of containers and layers are long because of their names, of which the beginning is enough to tell them apart. */
export const shortIds = (text: string) => text.replace(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, "$1…");

/** The steps as text. */
export function showSteps(steps: readonly Step[], { format, fold, width, colours }: Look): string {
  if (format === "json") return steps.map((step) => `${jsonText(step)}\n`).join("");
  const rows = fold ? folded(steps) : steps;
  const wasDone = steps.some(({ microseconds }) => microseconds !== undefined);
  const cells = rows.map((step) => [
    `${step.number}`,
    step.phase,
    printable(format === "table" ? shortIds(step.call) : step.call),
    printable(step.why),
    step.page,
    ...wasDone ? [step.result + (step.passed ? " (passed over)" : ""), step.microseconds?.toFixed(1) ?? ""] : [],
  ]);
  const head = ["#", "PHASE", "CALL", "WHY", "PAGE", ...wasDone ? ["RESULT", "µs"] : []];
  if (format === "markdown") {
    const line = (row: readonly string[]) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
    return line(head) + line(head.map(() => "---")) +
      cells.map((row) => line(row.map((cell, i) => i === 2 ? `\`${cell}\`` : cell))).join("");
  }
  if (width !== undefined) {
    // What is too long for the line is the call and its reason.
    const fixed = 40, room = Math.max(width - fixed, 2 * NARROW_CALL);
    for (const row of cells) {
      row[2] = shorten(row[2]!, Math.floor(room * SHARE_OF_CALL));
      row[3] = shorten(row[3]!, Math.floor(room * (1 - SHARE_OF_CALL)));
    }
  }
  // The longest comes last, where it takes nobody's place.
  const order = wasDone ? [0, 1, 6, 5, 3, 4, 2] : [0, 1, 3, 4, 2];
  const lines = layTable([head, ...cells].map((row) => order.map((i) => row[i]!)), 3).split("\n");
  if (!colours) return lines.join("\n");
  return lines.map((text, i) => {
    const colour = COLOURS[rows[i - 1]?.phase ?? ""];
    return colour === undefined ? text : `\x1b[${colour}m${text}\x1b[0m`;
  }).join("\n");
}
