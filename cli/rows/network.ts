/** The commands about networks and ports, without their implementations, and the flags about them of a new container. */

import type { CommandRow } from "../command.ts";
import { doNotAsk, filterBy, listFormat, noTrunc, oneFormat, onlyIds } from "../common_flags.ts";

/** `mini port`. */
export const port: CommandRow = {
  name: "port",
  aliases: ["container port"],
  group: "Look",
  summary: "List where a container's ports are published",
  usage: "CONTAINER [PORT[/PROTOCOL]]",
  flags: [],
  positionals: { min: 1, max: 2, needs: "a container", complete: ["container"] },
  examples: [
    { command: "mini port web", comment: "Where the ports of a container are reached" },
    { command: "mini port web 80", comment: "One of them, for scripts" },
  ],
};

const GROUP = "Networks";

/** `mini network ls`. */
export const networkLs: CommandRow = {
  name: "network ls",
  aliases: ["network list"],
  group: GROUP,
  summary: "List networks",
  usage: "[OPTIONS]",
  flags: [
    { ...filterBy("dangling", "driver", "id", "label", "name", "scope", "type"), short: "f" },
    listFormat,
    noTrunc,
    onlyIds,
  ],
  positionals: { min: 0, max: 0 },
  examples: [
    { command: "mini network ls -f type=custom", comment: "Networks of your own" },
  ],
};

/** `mini network create`. */
export const networkCreate: CommandRow = {
  name: "network create",
  group: GROUP,
  summary: "Create a network",
  usage: "[OPTIONS] NETWORK",
  flags: [
    { name: "aux-address", kind: "list", description: "An address that is somebody else's, name=address" },
    {
      name: "driver",
      short: "d",
      kind: "choice",
      placeholder: "string",
      values: ["bridge", "macvlan", "ipvlan"],
      default: "bridge",
      description: "What it is made of: bridge, macvlan, ipvlan",
    },
    { name: "gateway", kind: "list", description: "Address of the way out of the subnet" },
    { name: "internal", kind: "boolean", description: "No way out of it, and none in" },
    { name: "ip-range", kind: "list", description: "Give out only addresses of this part of the subnet" },
    { name: "ipv6", kind: "boolean", description: "IPv6 as well" },
    { name: "label", kind: "list", description: "Set a label, key=value" },
    {
      name: "opt",
      short: "o",
      kind: "list",
      values: ["parent=", "mode=", "mtu=", "com.docker.network.bridge.name="],
      description: "Option of the driver, key=value",
    },
    { name: "subnet", kind: "list", description: "Subnet, as 172.28.0.0/16" },
  ],
  positionals: { min: 1, max: 1, needs: "a name" },
  examples: [
    { command: "mini network create back --internal", comment: "Containers that reach only one another" },
    {
      command: "mini network create lan -d macvlan -o parent=eth0 --subnet 192.168.1.0/24",
      comment: "Containers that are machines of the local network",
    },
  ],
};

/** `mini network inspect`. */
export const networkInspect: CommandRow = {
  name: "network inspect",
  group: GROUP,
  summary: "Show everything about networks",
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  flags: [oneFormat],
  positionals: { min: 1, needs: "a network", complete: ["network"], repeat: true },
  examples: [
    {
      command: "mini network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}} {{end}}' back",
      comment: "Who is in a network",
    },
  ],
};

/** `mini network rm`. */
export const networkRm: CommandRow = {
  name: "network rm",
  aliases: ["network remove"],
  group: GROUP,
  summary: "Remove networks that no container is in",
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  flags: [{ name: "force", short: "f", kind: "boolean", description: "Pass over what does not exist" }],
  positionals: { min: 1, needs: "a network", complete: ["network"], repeat: true },
  examples: [
    { command: "mini network rm back", comment: "Remove a network that nobody is in" },
  ],
};

/** `mini network prune`. */
export const networkPrune: CommandRow = {
  name: "network prune",
  group: GROUP,
  summary: "Remove all networks that no container uses",
  usage: "[OPTIONS]",
  flags: [filterBy("label", "until"), doNotAsk],
  positionals: { min: 0, max: 0 },
  examples: [
    { command: "mini network prune -f --filter until=24h", comment: "Unused ones that are older than a day" },
  ],
};

/** `mini network connect`. */
export const networkConnect: CommandRow = {
  name: "network connect",
  group: GROUP,
  summary: "Put a container into a further network",
  usage: "[OPTIONS] NETWORK CONTAINER",
  flags: [
    { name: "alias", kind: "list", description: "A further name of it in this network" },
    { name: "ip", kind: "string", description: "IPv4 address, as 172.30.0.5" },
    { name: "ip6", kind: "string", description: "IPv6 address, as fd00::5" },
  ],
  positionals: { min: 2, max: 2, needs: "a network and a container", complete: ["network", "container"] },
  examples: [
    { command: "mini network connect --alias db back postgres", comment: "While it runs, with a further name there" },
  ],
};

/** `mini network disconnect`. */
export const networkDisconnect: CommandRow = {
  name: "network disconnect",
  group: GROUP,
  summary: "Take a container out of a network",
  usage: "[OPTIONS] NETWORK CONTAINER",
  flags: [{ name: "force", short: "f", kind: "boolean", description: "Pass over a container that is not in it" }],
  positionals: { min: 2, max: 2, needs: "a network and a container", complete: ["network", "container"] },
  examples: [
    { command: "mini network disconnect back postgres", comment: "While it runs" },
  ],
};
