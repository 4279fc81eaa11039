/** `mini system check`. */
import { Containers } from "../engine/containers.ts";
import { Volumes } from "../engine/volumes/store.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";

export default async function ({ globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const cleared = (await containers.sweepAll()).map((id) => id.slice(0, 12));
  const volumes = new Volumes(globals.root).sweep();
  if (volumes > 0) cleared.push(volumes === 1 ? "a volume that was half made or removed" : `${volumes} half volumes`);
  write(cleared.length ? `cleared ${cleared.join(", ")}\n` : "nothing was left behind\n");
  return 0;
}
