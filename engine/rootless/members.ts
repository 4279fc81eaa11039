/** Processes that live in an ordinary user's own user namespace, so that the next command can join it. */
import type { RunningState } from "../record.ts";

function names(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * The numbers of processes that may still live there: shims, commands that run a container, containers.
 *
 * @param args the command line. Two commands that began at the same time may have made a namespace each, so that the
 *   containers that it names come first.
 */
export function members({ root, state }: { root: string; state: string }, args: readonly string[]): number[] {
  const ids = names(`${state}/containers`).filter((id) => !id.startsWith("."));
  if (ids.length === 0) return [];
  const words = args.flatMap((word) => [word, word.split(":", 1)[0]!]).filter((word) => /^[\w.-]{2,}$/.test(word));
  const named = new Set(words.flatMap((word) => {
    try {
      return [Deno.readLinkSync(`${root}/names/${word}`)];
    } catch {
      return ids.filter((id) => id.startsWith(word)); // it is no container's name
    }
  }));
  return ids.toSorted((a, b) => Number(named.has(b)) - Number(named.has(a))).flatMap((id) => {
    try {
      const running: RunningState = JSON.parse(Deno.readTextFileSync(`${state}/containers/${id}/state.json`));
      return [running.shim?.pid, running.owner, running.pid].filter((pid) => typeof pid === "number" && pid > 0);
    } catch {
      return []; // it ends just now, or is damaged: others tell of that
    }
  }) as number[];
}
