/** `mini rename`. */
import { Containers } from "../engine/containers.ts";
import { emitContainer } from "../engine/events.ts";
import type { Invocation } from "./command.ts";

export default async function ({ args, globals }: Invocation): Promise<number> {
  const [text, name] = args as [string, string];
  const containers = new Containers(globals.root, globals.state);
  await containers.sweepAll();
  const { record } = await containers.get(text);
  const oldName = containers.rename(record.id, name);
  emitContainer(globals.state, { ...record, name }, "rename", { oldName });
  return 0;
}
