/** What a test that failed has to say beside its assertion: what its commands did last, and what is left of their containers. */
import type { Output } from "./harness.ts";

/** The most bytes that are shown of one file or command. */
const MOST_BYTES = 2000;
/** How many of the last commands and events are shown. */
const MOST_COMMANDS = 8, MOST_EVENTS = 15;

/** A command of a test, and what became of it; undefined as long as it runs. */
export interface Done {
  readonly args: readonly string[];
  output?: Output;
}

const shorten = (text: string) =>
  text.length <= MOST_BYTES ? text.trimEnd() : `…${text.slice(text.length - MOST_BYTES).trimEnd()}`;

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // not there, or gone just now
  }
}

function entries(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name);
  } catch {
    return [];
  }
}

function describeCommand({ args, output }: Done): string {
  const line = `mini ${args.join(" ")}`;
  if (!output) return `${line}: runs`;
  const said = [output.stdout, output.stderr].map(shorten);
  return `${line}: status ${output.status}${said[0] ? `\n    stdout: ${said[0]}` : ""}${
    said[1] ? `\n    stderr: ${said[1]}` : ""
  }`;
}

/** All that can be said of a test's commands and containers. */
export function evidence(root: string, state: string, commands: readonly Done[]): string {
  const ids = new Set([root, state].flatMap((folder) => entries(`${folder}/containers`)));
  const files = [...ids].slice(0, MOST_COMMANDS).flatMap((id) => [
    `${state}/containers/${id}/state.json`,
    `${root}/containers/${id}/container.json`,
    `${root}/containers/${id}/health.json`,
  ]);
  const events = readText(`${state}/events.log`).trimEnd().split("\n").slice(-MOST_EVENTS).map((line) => {
    const [, action = line] = /"Action":"([^"]*)"/.exec(line) ?? [];
    return `${/"timeNano":(\d+)/.exec(line)?.[1] ?? ""} ${action} ${/"name":"([^"]*)"/.exec(line)?.[1] ?? ""}`;
  });
  const parts = [
    ...commands.slice(-MOST_COMMANDS).map(describeCommand),
    ...[...ids].slice(0, MOST_COMMANDS).map((id) =>
      `${state}/containers/${id}: ${entries(`${state}/containers/${id}`).join(" ")}`
    ),
    ...[`${state}/monitor.log`, ...files].map((path) => [path, readText(path)]).filter(([, text]) => text)
      .map(([path, text]) => `${path}: ${shorten(text!)}`),
    `events: ${events.join("; ")}`,
  ];
  return `what was done and what there is (${new Date().toISOString()}):\n  ${parts.join("\n  ")}`;
}
