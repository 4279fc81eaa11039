/** The built `mini` as a program that tests and shells can start by its name. */
import { MINI } from "./harness.ts";

/** A folder with `mini` in it, and how to remove it. */
export interface MiniCommand extends Disposable {
  readonly folder: string;
  /** The environment with the folder first in PATH. */
  readonly environment: Record<string, string>;
}

/** Makes the folder; the caller disposes of it. */
export function miniCommand(): MiniCommand {
  const folder = Deno.makeTempDirSync({ prefix: "mini-test-" });
  Deno.symlinkSync(MINI, `${folder}/mini`);
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
