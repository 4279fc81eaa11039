/** `mini tag`. */

import { emitImage } from "../engine/events.ts";
import { familiarReference, parseReference, withDefaultTag } from "../images/reference.ts";
import { Store } from "../images/store.ts";
import type { Invocation } from "./command.ts";

/** Gives an image another name. */
export default function tag({ args, globals }: Invocation): number {
  const store = new Store(globals.root), [image, name] = args as [string, string];
  store.images.tag(image, name);
  emitImage(globals.state, "tag", store.image(image).id, familiarReference(withDefaultTag(parseReference(name))));
  return 0;
}
