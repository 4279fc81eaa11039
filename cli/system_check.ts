/** `mini system check`. */
import { Containers } from "../engine/containers.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";

export default async function ({ globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const cleared = await containers.sweepAll();
  write(cleared.length ? `cleared ${cleared.map((id) => id.slice(0, 12)).join(", ")}\n` : "nothing was left behind\n");
  return 0;
}
