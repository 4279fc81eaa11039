/** Notes that are no failures. */
import { printable, write } from "./output.ts";

/** Tells of something that is no failure, on standard error. */
export const tell = (sentence: string) => write(`mini: note: ${printable(sentence)}\n`, Deno.stderr);

/** Tells of a container that cannot be shown or counted, on standard error. */
export const noteDamage = tell;
