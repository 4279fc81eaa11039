/** `mini system install`, `uninstall`, `start` and `stop`: containers and the machine's start. */
import { MiniError } from "../ffi/errors.ts";
import { isBuilt, selfPath } from "../ffi/self.ts";
import { startWanted, stopAll } from "../engine/boot.ts";
import { Containers } from "../engine/containers.ts";
import { explainHost } from "../engine/host_error.ts";
import { findInit, type InitSystem, installService, uninstallService } from "../engine/service.ts";
import type { Invocation } from "./command.ts";
import { tell } from "./note.ts";
import { write } from "./output.ts";

export default async function ({ command, flags, globals }: Invocation): Promise<number> {
  if (Deno.uid() !== 0) throw new MiniError(`'mini ${command.name}' is about the whole machine: run it with sudo`);
  const print = (lines: readonly string[]) => write(lines.map((line) => `${line}\n`).join(""));
  const containers = new Containers(globals.root, globals.state);
  try {
    switch (command.name) {
      case "system start":
        print(await startWanted(containers, tell));
        return 0;
      case "system stop":
        print(await stopAll(containers, flags.number("time")!, tell));
        return 0;
    }
  } catch (error) {
    throw explainHost(error, globals);
  }
  const init = flags.string("init") as InitSystem | undefined ?? findInit(), destdir = flags.string("destdir") ?? "";
  if (command.name === "system uninstall") {
    print(uninstallService(init, destdir));
    return 0;
  }
  if (!isBuilt()) throw new MiniError("only the built mini can be installed: make it with 'deno task build'");
  print(installService(init, { program: selfPath(), root: globals.root, state: globals.state }, destdir));
  return 0;
}
