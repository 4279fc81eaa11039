/** `mini network ls`, with Docker's columns. */
import { Containers } from "../engine/containers.ts";
import { type ListedNetwork, Networks } from "../engine/networks.ts";
import type { Invocation } from "./command.ts";
import { labelMatches, type Matchers, oneOf, parseFilters, trueOrFalse } from "./filter.ts";
import { formatList, type Row } from "./format.ts";
import { tell } from "./note.ts";
import { write } from "./output.ts";
import { formatCreatedAt } from "./times.ts";

const HEADINGS = {
  ID: "NETWORK ID",
  Name: "NAME",
  Driver: "DRIVER",
  Scope: "SCOPE",
  IPv4: "IPV4",
  IPv6: "IPV6",
  Internal: "INTERNAL",
  Labels: "LABELS",
  Label: (key: unknown) => String(key),
  CreatedAt: "CREATED AT",
};

export default async function ({ flags, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  await containers.sweep();
  const networks = new Networks(containers, tell), all = networks.list();
  const used = new Set<string>();
  for (const network of all) if ((await networks.members(network)).length > 0) used.add(network.id);
  const matches = parseFilters(flags.list("filter"), matchers(used));
  const shown = all.filter(matches), whole = flags.boolean("no-trunc");
  if (flags.boolean("quiet") && !flags.given("format")) {
    write(shown.map(({ id }) => `${whole ? id : id.slice(0, 12)}\n`).join(""));
    return 0;
  }
  write(formatList(shown.map((network) => row(network, whole)), {
    format: flags.string("format"),
    columns: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
    headings: HEADINGS,
  }));
  return 0;
}

/** Networks that are always there. */
const BUILTIN = ["bridge", "host", "none"];

function matchers(used: ReadonlySet<string>): Matchers<ListedNetwork> {
  return {
    id: ({ id }, value) => id.startsWith(value),
    name: ({ name }, value) => name.includes(value),
    driver: ({ driver }, value) => driver === value,
    scope: oneOf("scope", ["local", "global", "swarm"], (_, value) => value === "local"),
    type: oneOf("type", ["custom", "builtin"], ({ name }, value) => BUILTIN.includes(name) === (value === "builtin")),
    dangling: trueOrFalse("dangling", ({ id, name }, value) => value === (!used.has(id) && !BUILTIN.includes(name))),
    label: ({ labels }, value) => labelMatches(labels, value),
  };
}

function row({ id, name, driver, ipv6, internal, labels, created }: ListedNetwork, whole: boolean): Row {
  return {
    ID: whole ? id : id.slice(0, 12),
    Name: name,
    Driver: driver,
    Scope: "local",
    IPv4: "true",
    IPv6: String(ipv6),
    Internal: String(internal),
    Labels: Object.entries(labels).map(([key, value]) => `${key}=${value}`).sort().join(","),
    Label: (key: unknown) => Object.hasOwn(labels, String(key)) ? labels[String(key)]! : "",
    CreatedAt: formatCreatedAt(created),
  };
}
