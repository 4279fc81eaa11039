/** Telling what happened to images. */

import { emitImage } from "../engine/events.ts";
import type { Removal } from "../engine/images.ts";

/** Tells which images have lost a name, and which are gone. */
export function tellRemoval(state: string, { images, untagged, deleted }: Removal): void {
  const [id = ""] = images;
  for (const name of untagged) emitImage(state, "untag", images.length === 1 ? id : name, name);
  for (const image of images) if (deleted.includes(image)) emitImage(state, "delete", image);
}
