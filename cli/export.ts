/** `mini export`. */
import { Containers } from "../engine/containers.ts";
import { exportContainer } from "../engine/export.ts";
import { checkOutput, writeArchive } from "./archive_output.ts";
import type { Invocation } from "./command.ts";

/** Writes a container's files as a tar archive. */
export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const path = flags.string("output");
  checkOutput(path);
  const containers = new Containers(globals.root, globals.state);
  const found = await containers.get(args[0]!);
  await writeArchive(path, (output) => exportContainer(containers, found, output));
  return 0;
}
