/** `mini volume create`. */
import { Containers } from "../engine/containers.ts";
import { randomId } from "../engine/names.ts";
import { readPairs } from "../engine/options.ts";
import { makeVolume } from "../engine/volumes/provide.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";

/** Makes a volume and prints its name; one that is there already, and made in the same way, is as good. */
export default function volumeCreate({ flags, args, globals }: Invocation): number {
  const [name] = args;
  const { volume } = makeVolume(new Containers(globals.root, globals.state), name ?? randomId(), {
    driver: flags.string("driver"),
    driverOptions: readPairs("opt", flags.list("opt"), true),
    labels: readPairs("label", flags.list("label"), false),
    anonymous: name === undefined,
  });
  write(`${volume.name}\n`);
  return 0;
}
