/** The flags of a new container about its network. */

import type { Flag } from "../command.ts";

const NETWORK = "Network";

/** What `run` and `create` know of networks. */
export const networkFlags: readonly Flag[] = [
  {
    name: "network",
    aliases: ["net"],
    kind: "list",
    placeholder: "network",
    heading: NETWORK,
    complete: "network",
    description: "Network: its name, none, host, container:NAME",
  },
  {
    name: "network-alias",
    aliases: ["net-alias"],
    kind: "list",
    heading: NETWORK,
    description: "A further name of it in its network",
  },
  { name: "ip", kind: "string", heading: NETWORK, description: "IPv4 address, as 172.30.0.5" },
  { name: "ip6", kind: "string", heading: NETWORK, description: "IPv6 address, as fd00::5" },
  { name: "mac-address", kind: "string", heading: NETWORK, description: "Hardware address, as 02:42:ac:11:00:02" },
  { name: "dns", kind: "list", heading: NETWORK, description: "Address of a name server to ask" },
  {
    name: "dns-search",
    kind: "list",
    heading: NETWORK,
    description: "Domain in which names are looked up; . for none",
  },
  {
    name: "dns-option",
    aliases: ["dns-opt"],
    kind: "list",
    heading: NETWORK,
    description: "Option of resolv.conf, as ndots:2",
  },
  {
    name: "add-host",
    kind: "list",
    heading: NETWORK,
    description: "A name in /etc/hosts, name:address or name:host-gateway",
  },
  {
    name: "publish",
    short: "p",
    kind: "list",
    heading: NETWORK,
    description: "Publish a port, as 8080:80 or 127.0.0.1:53:53/udp",
  },
  { name: "publish-all", short: "P", kind: "boolean", heading: NETWORK, description: "Publish all exposed ports" },
  { name: "expose", kind: "list", heading: NETWORK, description: "Say that something listens at a port, 80/tcp" },
];
