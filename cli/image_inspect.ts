/** `mini image inspect`. */

import { MiniError } from "../ffi/errors.ts";
import { describeImage } from "../engine/images.ts";
import type { Invocation } from "./command.ts";
import { formatOne } from "./format.ts";
import { report } from "./main.ts";
import { write } from "./output.ts";

/** Shows everything about images; those that are not here are told on standard error, and the others are shown. */
export default function imageInspect({ flags, args, globals }: Invocation): number {
  const found: Record<string, unknown>[] = [];
  let status = 0;
  for (const text of args) {
    try {
      found.push(describeImage(globals.root, text));
    } catch (error) {
      if (!(error instanceof MiniError)) throw error;
      status = report(error, 1, globals.debug);
    }
  }
  const format = flags.string("format");
  if (format === undefined) write(JSON.stringify(found, null, 4) + "\n");
  else write(found.map((image) => formatOne(image, format)).join(""));
  return status;
}
