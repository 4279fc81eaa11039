/** Firewalls that are not ours, as far as they keep containers' packets from passing. They are looked at and never changed. */
import { Netlink, NETLINK_NETFILTER } from "../ffi/netlink.ts";
import {
  type BaseChain,
  HOOKS,
  listChains,
  listRules,
  NFPROTO_INET,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  readChain,
} from "./nft_message.ts";
import { TABLE } from "./nft_table.ts";

const FAMILIES: Readonly<Record<number, string>> = {
  [NFPROTO_INET]: "inet",
  [NFPROTO_IPV4]: "ip",
  [NFPROTO_IPV6]: "ip6",
};

/** How the names of our bridges begin. */
const BEGIN = "mini";

/** Whether some rule of a chain names our bridges: then somebody has decided about them. */
function namesUs(netlink: Netlink, { family, table, name }: BaseChain): boolean {
  const begin = [...BEGIN].map((letter) => letter.charCodeAt(0));
  return netlink.dump(listRules(family, table, name)).some(({ body }) =>
    body.some((_, i) => begin.every((byte, j) => body[i + j] === byte))
  );
}

/**
 * What keeps packets between containers and the rest of the world from passing, and what to do about it; a sentence for each.
 *
 * @throws {SyscallError} where the kernel has no nf_tables.
 */
export function foreignDrops(): string[] {
  using netlink = Netlink.open(NETLINK_NETFILTER);
  const chains = netlink.dump(listChains()).flatMap((answer) => readChain(answer) ?? []);
  const sentences = chains.filter((chain) =>
    chain.drops && chain.hook === HOOKS.forward && chain.table !== TABLE && FAMILIES[chain.family] !== undefined &&
    !namesUs(netlink, chain)
  ).map(({ family, table, name }) => {
    const place = `${FAMILIES[family]} ${table} ${name}`;
    const allow = ["iifname", "oifname"].map((side) => `nft insert rule ${place} ${side} '"${BEGIN}*"' accept`).join(
      "; ",
    );
    return `the firewall chain ${place} drops what it has no rule for, and containers' traffic with it; to let that pass: ${allow}`;
  });
  if (hasLegacyTables()) {
    sentences.push(
      "there are rules of iptables-legacy, which mini does not look at; if containers reach nothing: " +
        `iptables-legacy -I FORWARD -i '${BEGIN}+' -j ACCEPT; iptables-legacy -I FORWARD -o '${BEGIN}+' -j ACCEPT`,
    );
  }
  return sentences;
}

function hasLegacyTables(): boolean {
  try {
    return Deno.readTextFileSync("/proc/net/ip_tables_names").split("\n").includes("filter");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
