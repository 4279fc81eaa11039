/** `mini volume inspect`. */
import { describeVolume } from "../engine/volumes/inspect.ts";
import type { Invocation } from "./command.ts";
import { forEachInspected } from "./inspect_output.ts";

/** Shows everything about volumes; those that are not here are told on standard error, and the others are shown. */
export default async function volumeInspect({ flags, args, globals }: Invocation): Promise<number> {
  return await forEachInspected(
    args,
    flags.string("format"),
    (name) => Promise.resolve().then(() => describeVolume(globals.root, name)),
  );
}
