/** The commands that shall start fast, and how their modules are called where they are packed. */

const COMMON = ["cli/globals.ts", "cli/parse.ts"];
const OCI = "cli/oci/main.ts";

/** Of each such command, the modules that it imports dynamically each time; those that they import statically follow. */
export const HOT_COMMANDS = {
  "--version": [],
  "run": [...COMMON, "cli/rows/run.ts", "cli/run.ts", "images/starter.ts"],
  "run -d": [...COMMON, "cli/rows/run.ts", "cli/run.ts", "images/starter.ts", "engine/background.ts"],
  "exec": [...COMMON, "cli/rows/exec.ts", "cli/exec.ts"],
  "ps": [...COMMON, "cli/rows/ps.ts", "cli/ps.ts", "ffi/redirect_signal.ts"],
  "oci create": [OCI, "cli/oci/create.ts"],
  "oci start": [OCI, "cli/oci/start.ts"],
  "oci state": [OCI, "cli/oci/state.ts"],
  "oci kill": [OCI, "cli/oci/kill.ts"],
  "oci delete": [OCI, "cli/oci/delete.ts"],
} satisfies Record<string, readonly string[]>;

/** Them all. */
export const HOT_MODULES: readonly string[] = [...new Set(Object.values(HOT_COMMANDS).flat())];

/**
 * The name of one of them in the bundle, where all modules are in one folder. It is no longer than any name by which another
 * module could import it, so that it can take its place.
 */
export function bundledName(path: string): string {
  return `${HOT_MODULES.indexOf(path).toString(36)}.js`;
}

/**
 * The modules, and source maps, of a bundle that has the hot modules as entries, in one folder: names of one folder only,
 * and nothing that follows is moved by it.
 */
export function flatten(files: Readonly<Record<string, string>>): Record<string, string> {
  const flat = new Map(HOT_MODULES.map((path) => [path.replace(/ts$/, "js"), bundledName(path)]));
  return Object.fromEntries(
    Object.entries(files).map(([path, text]) => {
      const name = path.replace(/\.map$/, ""), flatName = flat.get(name) ?? name;
      if (name !== path) return [`${flatName}.map`, text];
      const imported = text.replaceAll(
        /\b(import|from|import\()"(\.{1,2}\/[\w./-]+\.js)"/g,
        (all, before: string, specifier: string) => {
          const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
          const begin = before.replace("(", ""), end = `${before.slice(begin.length)}"./${flat.get(target) ?? target}"`;
          return begin + " ".repeat(all.length - begin.length - end.length) + end;
        },
      );
      return [flatName, imported];
    }),
  );
}
