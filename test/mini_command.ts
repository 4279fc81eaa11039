/** The command line as a program that tests and shells can start by its name, without the built file. */

import { dirname, fromFileUrl } from "@std/path";

/** A folder with an executable `mini` in it that runs main.ts, and how to remove it. */
export interface MiniCommand extends Disposable {
  readonly folder: string;
  /** The environment with the folder first in PATH. */
  readonly environment: Record<string, string>;
}

/** Makes the folder; the caller disposes of it. */
export function miniCommand(): MiniCommand {
  const folder = Deno.makeTempDirSync({ prefix: "mini-test-" });
  const main = fromFileUrl(new URL("../main.ts", import.meta.url));
  Deno.writeTextFileSync(
    `${folder}/mini`,
    `#!/bin/sh\nexec '${Deno.execPath()}' run --quiet --no-prompt --allow-all --config '${dirname(main)}/deno.json' ` +
      `'${main}' "$@"\n`,
    { mode: 0o755 },
  );
  return {
    folder,
    environment: { PATH: `${folder}:${Deno.env.get("PATH")}`, HOME: folder, LC_ALL: "C.UTF-8", TERM: "xterm" },
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

/** Whether a program is in PATH. */
export function isInstalled(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}
