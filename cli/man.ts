/** `mini man`: writes the manual pages that are in the table of commands. */
import { MiniError } from "../ffi/errors.ts";
import type { Invocation } from "./command.ts";
import { manPages } from "./man_page.ts";
import { write } from "./output.ts";
import { commands, groups, nouns } from "./table.ts";
import { VERSION } from "./version.ts";

export default function ({ args }: Invocation): number {
  const folder = args[0]!, pages = manPages({ groups, nouns, commands }, VERSION);
  try {
    Deno.mkdirSync(folder, { recursive: true });
    for (const { file, text } of pages) Deno.writeTextFileSync(`${folder}/${file}`, text);
  } catch (error) {
    throw new MiniError(`the manual pages cannot be written into ${folder}: ${(error as Error).message}`);
  }
  write(`${pages.length} pages in ${folder}\n`);
  return 0;
}
