/** `mini system check`. */
import { Containers } from "../engine/containers.ts";
import { Volumes } from "../engine/volumes/store.ts";
import type { Invocation } from "./command.ts";
import { tell } from "./note.ts";
import { write } from "./output.ts";

export default async function ({ globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const cleared = (await containers.sweepAll()).map((id) => id.slice(0, 12));
  const volumes = new Volumes(globals.root).sweep();
  if (volumes > 0) cleared.push(volumes === 1 ? "a volume that was half made or removed" : `${volumes} half volumes`);
  const networks = hasNetworks(globals.root)
    ? (await import("../engine/network_check.ts")).checkNetworks(containers)
    : undefined;
  cleared.push(...networks?.cleared ?? []);
  write(cleared.length ? `cleared ${cleared.join(", ")}\n` : "nothing was left behind\n");
  for (const what of networks?.restored ?? []) write(`made again: ${what}\n`);
  networks?.warnings.forEach(tell);
  return 0;
}

/** Where nobody has ever had a network, there is nothing to look at. */
function hasNetworks(root: string): boolean {
  try {
    return Deno.statSync(`${root}/networks`).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
