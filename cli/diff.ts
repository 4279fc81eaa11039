/** `mini diff`. */
import { Containers } from "../engine/containers.ts";
import { containerChanges } from "../engine/diff.ts";
import { showPath } from "../ffi/files.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";

/** Prints a line for each path: `A` and what was added, `C` changed, `D` deleted. */
export default async function diff({ args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const changes = await containerChanges(containers, await containers.get(args[0]!));
  write(changes.map(({ kind, path }) => `${kind} ${showPath(path)}\n`).join(""));
  return 0;
}
