/** `mini network create`. */
import { MiniError } from "../ffi/errors.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { Containers } from "../engine/containers.ts";
import { Networks } from "../engine/networks.ts";
import { readPairs } from "../engine/options.ts";
import { ONLY_ROOT } from "../engine/rootless/network_rules.ts";
import type { Driver } from "../network/store.ts";
import type { Invocation } from "./command.ts";
import { tell } from "./note.ts";
import { write } from "./output.ts";

export default function ({ flags, args, globals }: Invocation): number {
  if (Deno.uid() !== 0 || ownNamespace()) throw new MiniError(`network ${args[0]}: ${ONLY_ROOT}`);
  const { id } = new Networks(new Containers(globals.root, globals.state), tell).create({
    name: args[0]!,
    driver: flags.string("driver") as Driver,
    subnets: flags.list("subnet"),
    gateways: flags.list("gateway"),
    ipRanges: flags.list("ip-range"),
    auxAddresses: readPairs("aux-address", flags.list("aux-address"), true),
    internal: flags.boolean("internal"),
    ipv6: flags.boolean("ipv6"),
    labels: readPairs("label", flags.list("label"), false),
    options: readPairs("opt", flags.list("opt"), true),
  });
  write(`${id}\n`);
  return 0;
}
