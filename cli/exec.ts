/** `mini exec`. */
import { MiniError } from "../ffi/errors.ts";
import { userEnvironment } from "../ffi/self.ts";
import { Containers } from "../engine/containers.ts";
import { exec } from "../engine/exec.ts";
import { readEnv, readEnvFile } from "../engine/options.ts";
import type { Invocation } from "./command.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const environment = userEnvironment();
  const own = (name: string) => environment[name];
  const detached = flags.boolean("detach");
  if (detached && (flags.boolean("interactive") || flags.boolean("tty"))) {
    throw new MiniError("--detach leaves nobody to type or to read: leave out -i and -t");
  }
  const containers = new Containers(globals.root, globals.state);
  return await exec(containers, await containers.get(args[0]!), {
    args: args.slice(1),
    detached,
    interactive: flags.boolean("interactive"),
    tty: flags.boolean("tty"),
    privileged: flags.boolean("privileged"),
    user: flags.string("user"),
    workingDir: flags.string("workdir"),
    env: [
      ...flags.list("env-file").flatMap((path) => readEnvFile(path, own)),
      ...flags.list("env").flatMap((text) => readEnv(text, own)),
    ],
  });
}
