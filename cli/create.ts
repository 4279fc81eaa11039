/** `mini create`: all of `mini run` but the running. */
import { MiniError } from "../ffi/errors.ts";
import { Containers } from "../engine/containers.ts";
import { create as make } from "../engine/create.ts";
import { explainHost } from "../engine/host_error.ts";
import type { Invocation } from "./command.ts";
import { findSource, readOptions } from "./container_options.ts";
import { write } from "./output.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  if (Deno.uid() !== 0) throw new MiniError("making a container needs root: run it with sudo");
  const options = await readOptions(flags, flags.string("rootfs") === undefined ? args.slice(1) : args);
  try {
    const source = await findSource(flags, args, globals);
    const containers = new Containers(globals.root, globals.state);
    const { record, lock } = await make(containers, source, options);
    if (record.autoRemove) containers.change(record.id, (record) => record.awaited = true);
    containers.settle(record.id, lock);
    write(`${record.id}\n`);
    return 0;
  } catch (error) {
    throw explainHost(error, globals);
  }
}
