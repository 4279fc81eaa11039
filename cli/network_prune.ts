/** `mini network prune`. */
import { Containers } from "../engine/containers.ts";
import { emitPrune } from "../engine/events.ts";
import { Networks } from "../engine/networks.ts";
import type { Network } from "../network/store.ts";
import type { Invocation } from "./command.ts";
import { confirm } from "./confirm.ts";
import { parseFilters } from "./filter.ts";
import { pruneKeys } from "./images_filters.ts";
import { tell } from "./note.ts";
import { write } from "./output.ts";

export default async function ({ flags, globals }: Invocation): Promise<number> {
  const matches = parseFilters(
    flags.list("filter"),
    pruneKeys<Network>(({ labels }) => labels, ({ created }) => created),
  );
  if (!flags.boolean("force") && !confirm("This removes all networks that no container uses.")) return 0;
  const containers = new Containers(globals.root, globals.state);
  await containers.sweep();
  const removed = await new Networks(containers, tell).prune(matches, tell);
  emitPrune(globals.state, "network", 0);
  if (removed.length > 0) write("Deleted Networks:\n" + removed.map((name) => `${name}\n`).join("") + "\n");
  return 0;
}
