/** `mini network connect`. */
import { MiniError } from "../ffi/errors.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { Containers } from "../engine/containers.ts";
import { readNetworks } from "../engine/network_options.ts";
import { Networks } from "../engine/networks.ts";
import { ONLY_ROOT } from "../engine/rootless/network_rules.ts";
import type { Invocation } from "./command.ts";
import { tell } from "./note.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  if (ownNamespace()) throw new MiniError(`network ${args[0]}: ${ONLY_ROOT}`);
  const containers = new Containers(globals.root, globals.state), networks = new Networks(containers, tell);
  const { name } = networks.get(args[0]!);
  const { networks: [attachment] } = await readNetworks({
    networks: [`name=${name}`],
    aliases: flags.list("alias"),
    ip: flags.string("ip"),
    ip6: flags.string("ip6"),
    publish: [],
    publishAll: false,
    expose: [],
  });
  networks.connect(await containers.get(args[1]!), attachment!);
  return 0;
}
