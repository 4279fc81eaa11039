/** `mini network disconnect`. */
import { MiniError } from "../ffi/errors.ts";
import { Containers, NoSuchContainer } from "../engine/containers.ts";
import { Networks, NotConnected } from "../engine/networks.ts";
import type { Invocation } from "./command.ts";
import { tell } from "./note.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  try {
    new Networks(containers, tell).disconnect(await containers.get(args[1]!), args[0]!);
  } catch (error) {
    const isGone = error instanceof MiniError && (error instanceof NoSuchContainer || error instanceof NotConnected);
    if (!isGone || !flags.boolean("force")) throw error;
  }
  return 0;
}
