/** Notes that are no failures. */
import { printable, write } from "./output.ts";

/** Tells of a container that cannot be shown or counted, on standard error. */
export const noteDamage = (sentence: string) => write(`mini: note: ${printable(sentence)}\n`, Deno.stderr);
