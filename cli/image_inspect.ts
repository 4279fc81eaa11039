/** `mini image inspect`. */

import { describeImage } from "../engine/images.ts";
import type { Invocation } from "./command.ts";
import { forEachInspected } from "./inspect_output.ts";

/** Shows everything about images; those that are not here are told on standard error, and the others are shown. */
export default async function imageInspect({ flags, args, globals }: Invocation): Promise<number> {
  return await forEachInspected(
    args,
    flags.string("format"),
    (text) => Promise.resolve(describeImage(globals.root, text)),
  );
}
