/** `mini volume rm`. */
import { Containers } from "../engine/containers.ts";
import { removeVolume } from "../engine/volumes/remove.ts";
import { NoSuchVolume } from "../engine/volumes/store.ts";
import type { Invocation } from "./command.ts";
import { forEachNamed } from "./each.ts";

export default async function volumeRm({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  await containers.sweep();
  return await forEachNamed(args, async (name) => {
    try {
      await removeVolume(containers, name);
    } catch (error) {
      if (!(flags.boolean("force") && error instanceof NoSuchVolume)) throw error;
    }
  });
}
