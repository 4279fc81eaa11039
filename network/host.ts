/** What networks need of the host beside interfaces: that it hands packets on. All below /proc/sys/net. */
import { MiniError } from "../ffi/errors.ts";

const SYS = "/proc/sys/net";

function read(name: string): string | undefined {
  try {
    return Deno.readTextFileSync(`${SYS}/${name}`).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Writes a setting if it is another. Gives whether it was. @throws {MiniError} where that is not allowed. */
export function setNetSysctl(name: string, value: string): boolean {
  const now = read(name);
  if (now === value) return false;
  const dotted = `net.${name.replaceAll("/", ".")}`;
  if (now === undefined) throw new MiniError(`this kernel has no ${dotted}, which containers' networks need`);
  try {
    Deno.writeTextFileSync(`${SYS}/${name}`, value, { create: false });
  } catch (error) {
    throw new MiniError(
      `${dotted} must be ${value} for containers' networks, and mini cannot set it (${
        (error as Error).message
      }); --network none and host still work`,
    );
  }
  return true;
}

/**
 * Makes the host hand packets on between its interfaces, as containers need that are to reach more than the host.
 *
 * @returns what was changed, in sentences; nothing as a rule, because it is on already.
 */
export function enableForwarding(ipv6: boolean): string[] {
  const notes: string[] = [];
  const because = "so that containers reach more than this host";
  if (setNetSysctl("ipv4/ip_forward", "1")) notes.push(`IPv4 forwarding (net.ipv4.ip_forward) is on now, ${because}`);
  if (!ipv6 || read("ipv6/conf/all/forwarding") === "1") return notes;
  // A host that forwards takes no more addresses and routes from routers, unless its interfaces are told to all the same.
  for (const { name } of Deno.readDirSync(`${SYS}/ipv6/conf`)) {
    if (name === "all" || read(`ipv6/conf/${name}/accept_ra`) !== "1") continue;
    setNetSysctl(`ipv6/conf/${name}/accept_ra`, "2");
  }
  setNetSysctl("ipv6/conf/all/forwarding", "1");
  notes.push(`IPv6 forwarding (net.ipv6.conf.all.forwarding) is on now, ${because}`);
  return notes;
}

/** Whether the host hands packets on. */
export const forwards = (ipv6: boolean) =>
  read("ipv4/ip_forward") === "1" && (!ipv6 || read("ipv6/conf/all/forwarding") === "1");

/**
 * Whether packets between the ports of a bridge go through the firewalls of IP (br_netfilter). Then one to a published port of its
 * own network is turned back inside the bridge.
 */
export const bridgesCallFirewalls = () => read("bridge/bridge-nf-call-iptables") === "1";

/** Whether the kernel has IPv6, and it is not switched off. */
export const hasIpv6 = () => read("ipv6/conf/all/disable_ipv6") === "0";
