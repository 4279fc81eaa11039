/**
 * Which modules lie together in one script. What a command imports statically, and what of the rest it imports each time, is
 * needed at once; and modules that the same commands need are one script, so that a start evaluates a few and each is there
 * only once.
 */
import { importsOf, moduleToFunction, type Script } from "./program.ts";

export interface HotScript {
  readonly script: Script;
  /** Its modules, and the line of the text, counted from 1, in which each begins. */
  readonly modules: readonly (readonly [name: string, line: number])[];
}

/** All that is evaluated when these modules are. */
function closure(modules: Readonly<Record<string, string>>, names: readonly string[]): Set<string> {
  const found = new Set<string>();
  const visit = (name: string) => {
    if (found.has(name)) return;
    const module = modules[name];
    if (module === undefined) throw new Error(`the bundle has no ${name}`);
    found.add(name);
    importsOf(module).forEach(visit);
  };
  names.forEach(visit);
  return found;
}

/** Opening a script takes as long as evaluating 2 kB more of it. */
const SMALL_BYTES = 2000;

/**
 * The hot scripts. Modules that few commands need, and that are small together, are in the script that all of them need. Each
 * evaluates to an object that has the modules' functions by the modules' names.
 *
 * @param hot of each command that shall start fast, the modules that it imports dynamically
 */
export function hotScripts(
  modules: Readonly<Record<string, string>>,
  main: string,
  hot: readonly (readonly string[])[],
): HotScript[] {
  const needed = hot.map((names) => closure(modules, [main, ...names]));
  const groups = new Map<string, string[]>();
  for (const name of Object.keys(modules).sort()) {
    const commands = needed.flatMap((names, i) => names.has(name) ? [i] : []).join();
    if (commands !== "") groups.set(commands, [...groups.get(commands) ?? [], name]);
  }
  const all = hot.map((_, i) => i).join();
  for (const [commands, names] of groups) {
    if (commands === all || names.reduce((sum, name) => sum + modules[name]!.length, 0) >= SMALL_BYTES) continue;
    groups.set(all, [...groups.get(all) ?? [], ...names]);
    groups.delete(commands);
  }
  return [...groups.values()].map((names, i) => {
    let text = "(", line = 1;
    const placed = names.map((name, i) => {
      const module = moduleToFunction(name, modules[name]!, name === main);
      // A module begins with a line, so that its columns are those that it has in a script of its own.
      text += `${i === 0 ? "{" : ","}${JSON.stringify(name)}:\n${module}`;
      const begin = line + 1;
      line += module.split("\n").length;
      return [name, begin] as const;
    });
    return { script: { name: `mini:hot${i}.js`, text: `${text}})` }, modules: placed };
  });
}

/** The module that a line of a hot script, counted from 1, is of, and which of its lines. */
export function moduleAt({ modules, script }: HotScript, line: number): { name: string; line: number } {
  const [name, begin] = modules.findLast(([, begin]) => begin <= line) ?? [script.name, 1];
  return { name, line: line - begin + 1 };
}
