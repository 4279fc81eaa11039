/** `mini commit`. */
import { commit } from "../engine/commit.ts";
import { Containers } from "../engine/containers.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";

/** Makes an image of a container and prints its ID. */
export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const id = await commit(containers, await containers.get(args[0]!), {
    name: args[1],
    author: flags.string("author"),
    message: flags.string("message"),
    changes: flags.list("change"),
    pause: flags.boolean("pause"),
  });
  write(`${id}\n`);
  return 0;
}
