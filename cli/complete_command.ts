/** `mini __complete -- WORD...`, which the completion scripts call. */

import type { Invocation } from "./command.ts";
import { complete } from "./complete.ts";
import { printable, write } from "./output.ts";
import { providers } from "./providers.ts";
import { commands, nouns } from "./table.ts";

/** Prints a line `VALUE<tab>DESCRIPTION` for each candidate, then a line `:file`, `:directory` or `:none`. */
export default async function (invocation: Pick<Invocation, "args">): Promise<number> {
  const environment = (name: string) => Deno.env.get(name);
  const { candidates, paths } = await complete(invocation.args, { commands, nouns }, providers, environment);
  const lines = candidates.map(({ value, description }) => `${printable(value)}\t${printable(description ?? "")}\n`);
  write(`${lines.join("")}:${paths ?? "none"}\n`);
  return 0;
}
