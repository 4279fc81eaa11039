/** `mini rmi`. */

import { MiniError } from "../ffi/errors.ts";
import { NoSuchImage, removeImage } from "../engine/images.ts";
import { tellRemoval } from "./image_events.ts";
import type { Invocation } from "./command.ts";
import { report } from "./main.ts";
import { tell } from "./note.ts";
import { write } from "./output.ts";

/** Removes images, each one even if another one cannot be removed. */
export default async function rmi({ flags, args, globals }: Invocation): Promise<number> {
  const force = flags.boolean("force");
  let status = 0;
  for (const text of args) {
    try {
      const removal = await removeImage(globals.root, text, { force });
      tellRemoval(globals.state, removal);
      const { untagged, deleted, unsure } = removal;
      write(untagged.map((name) => `Untagged: ${name}\n`).join("") + deleted.map((id) => `Deleted: ${id}\n`).join(""));
      if (unsure !== undefined) tell(unsure);
    } catch (error) {
      if (!(error instanceof MiniError)) throw error;
      const told = report(error, 1, globals.debug);
      // As with rm -f of files: what is not there is no failure.
      if (!(force && error instanceof NoSuchImage)) status = told;
    }
  }
  return status;
}
