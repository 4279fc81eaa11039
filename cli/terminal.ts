/** What the command line knows of the terminal it writes to. */

/** How text for people is laid out. */
export interface Style {
  /** Columns. */
  readonly width: number;
  /** Whether headings are bold. */
  readonly bold: boolean;
}

/** The style of standard output: plain and 80 columns wide unless it is a terminal. */
export function outputStyle(): Style {
  if (!Deno.stdout.isTerminal()) return { width: 80, bold: false };
  let width = 80;
  try {
    // A serial console says 0; help narrower than 40 columns or wider than 120 is hard to read.
    width = Math.min(120, Math.max(40, Deno.consoleSize().columns || 80));
  } catch {
    // Some pseudo terminals have no size.
  }
  const term = Deno.env.get("TERM") ?? "dumb";
  return { width, bold: term !== "dumb" && !Deno.env.get("NO_COLOR") };
}

/** What a table for people may use of where it goes: all of a terminal's columns, and colours unless NO_COLOR is set. */
export function terminalLook(to: { isTerminal(): boolean }): { width?: number; colours: boolean } {
  if (!to.isTerminal()) return { colours: false };
  let width: number | undefined;
  try {
    width = Deno.consoleSize().columns || undefined;
  } catch {
    // Some pseudo terminals have no size.
  }
  const colours = (Deno.env.get("TERM") ?? "dumb") !== "dumb" && !Deno.env.get("NO_COLOR");
  return { colours, ...width === undefined ? {} : { width } };
}
