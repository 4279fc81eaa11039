/** `mini stop`: all of them at once, so that many take no longer than the slowest. */
import { Containers } from "../engine/containers.ts";
import { stop } from "../engine/control.ts";
import type { Invocation } from "./command.ts";
import { forEachNamed } from "./each.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const seconds = flags.number("time") ?? 10, signal = flags.string("signal");
  const stopping = new Map(
    args.map((name) => [name, containers.get(name).then((found) => stop(containers, found, seconds, signal))]),
  );
  // Each is waited for below; a failure of one must not end the command before the others are done.
  await Promise.allSettled(stopping.values());
  return await forEachNamed(args, (name) => stopping.get(name)!);
}
