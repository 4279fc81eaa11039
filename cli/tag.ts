/** `mini tag`. */

import { Store } from "../images/store.ts";
import type { Invocation } from "./command.ts";

/** Gives an image another name. */
export default function tag({ args, globals }: Invocation): number {
  new Store(globals.root).images.tag(args[0]!, args[1]!);
  return 0;
}
