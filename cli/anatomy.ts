/** `mini anatomy`: a container that runs, taken apart. */
import { anatomy } from "../engine/anatomy/anatomy.ts";
import { Containers } from "../engine/containers.ts";
import { showAnatomy } from "./anatomy_output.ts";
import type { Invocation } from "./command.ts";
import { jsonText, write } from "./output.ts";
import { outputStyle } from "./terminal.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const parts = await anatomy(containers, await containers.get(args[0]!));
  write(
    flags.string("format") === "json" ? `${jsonText(parts, 2)}\n` : showAnatomy(parts, outputStyle().bold),
  );
  return 0;
}
