/** `mini rm`. */
import { Containers, DamagedContainer, NoSuchContainer } from "../engine/containers.ts";
import { removeContainer } from "../engine/control.ts";
import type { Invocation } from "./command.ts";
import { forEachNamed } from "./each.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state), force = flags.boolean("force");
  // As with rm -f of files: what is not there is no failure. It is told, since nothing was removed.
  return await forEachNamed(
    args,
    async (name) => {
      try {
        await removeContainer(containers, await containers.get(name), force, flags.boolean("volumes"));
      } catch (error) {
        if (!force || !(error instanceof DamagedContainer)) throw error;
        await (await import("../engine/damaged.ts")).removeDamaged(containers, error.id);
      }
    },
    (error) => force && error instanceof NoSuchContainer,
  );
}
