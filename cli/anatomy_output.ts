/** How the parts of a container (engine/anatomy/) are printed for people: sections with headings. */
import type { Anatomy } from "../engine/anatomy/anatomy.ts";
import type { RightsView } from "../engine/anatomy/rights.ts";
import { shortIds } from "./explain_output.ts";
import { layTable, printable } from "./output.ts";

const PAGES: Readonly<Record<string, string>> = {
  mnt: "its own mounts",
  pid: "its own process numbers",
  net: "its own interfaces, addresses and ports",
  ipc: "its own shared memory and message queues",
  uts: "its own host name",
  cgroup: "its own view of the cgroups",
  user: "its own ids",
  time: "its own clocks",
};
const NARROW = 4;
const plural = (count: number, one: string) => `${count} ${one}${count === 1 ? "" : "s"}`;

/** The sections as text. */
export function showAnatomy(parts: Anatomy, bold: boolean): string {
  const { rights, network, cgroup } = parts;
  const sections: [heading: string, rows: string[][]][] = [
    [
      "Namespaces",
      parts.namespaces.map(({ kind, inode, host, sharedWith }) => {
        const own = sharedWith.length === 0 ? PAGES[kind] ?? "its own" : `shared with ${sharedWith.join(", ")}`;
        return [kind, `${inode}`, host ? "the host's" : own];
      }),
    ],
    ["User", [
      ["user", `${rights.uid}:${rights.gid} on the host, groups ${rights.groups.join(" ") || "none"}`],
      ["uids", showMap(rights.uidMap)],
      ["gids", showMap(rights.gidMap)],
    ]],
    ["Rights", showRights(rights)],
    [
      "Mounts",
      parts.mounts.flatMap(({ path, type, options, behind, layers = [] }) => [
        [path, type, options.includes("ro") ? "ro" : "rw", behind],
        ...layers.map((folder, i) => ["", "", "", `  ${i + 1}. ${folder}`]),
      ]),
    ],
    [
      "Cgroup",
      cgroup
        ? [[cgroup.path], ...Object.entries(cgroup.files).map(([name, value]) => [name, value.replaceAll("\n", ", ")])]
        : [["none: this host has no cgroup v2"]],
    ],
    [`Network (${network.mode})`, [
      ...network.paths.map((path) => [
        `${path.interface} ${path.addresses.join(" ")}`,
        [
          path.hostInterface && `${path.hostInterface} on the host`,
          path.bridge && `bridge ${path.bridge}`,
          `network ${path.network}`,
          path.gateway === undefined ? "no gateway" : `gateway ${path.gateway}`,
        ].filter(Boolean).join(" → "),
      ]),
      ...network.ports.map(({ hostIp, hostPort, containerIp, containerPort, protocol }) => [
        `${containerIp}:${containerPort}/${protocol}`,
        `${hostIp}:${hostPort} on the host`,
      ]),
      ["interfaces", network.interfaces.join(" ") || "none"],
    ]],
    [`Open descriptors of process ${parts.pid}`, parts.descriptors.map(({ fd, target }) => [`${fd}`, target])],
    ["Processes (outside, inside)", tree(parts)],
  ];
  const title = (text: string) => bold ? `\x1b[1m${text}\x1b[0m\n` : `${text}\n`;
  const head = `${parts.name}  ${parts.id.slice(0, 12)}  ${parts.image}  process ${parts.pid}`;
  return [
    `${printable(head)}\n`,
    ...sections.map(([heading, rows]) =>
      title(heading) +
      layTable(rows.map((row) => row.map((cell) => printable(shortIds(cell)))), NARROW).replace(/^(?=.)/gm, "  ")
    ),
  ].join("\n");
}

function showMap(map: RightsView["uidMap"]): string {
  const all = 2 ** 32 - 1;
  return map.map(({ containerID, hostID, size }) =>
    containerID === 0 && hostID === 0 && size === all
      ? "those of the host"
      : `${containerID} inside is ${hostID} outside (${size} of them)`
  ).join(", ");
}

function showRights({ capabilities, noNewPrivileges, seccomp, label }: RightsView): string[][] {
  const { filter } = seccomp;
  const names = (set: readonly string[]) => set.map((name) => name.replace(/^CAP_/, "").toLowerCase()).join(" ");
  return [
    ...(["effective", "permitted", "inheritable", "bounding", "ambient"] as const).map((set) => [
      set,
      names(capabilities[set]) || "none",
    ]),
    ["no_new_privs", noNewPrivileges ? "on: no setuid program gives more" : "off"],
    ["seccomp", seccomp.mode === "filter" ? plural(seccomp.filters, "filter") : seccomp.mode],
    ...filter
      ? [
        ["", `${plural(filter.allowed.length, "call")} allowed, all others: ${filter.otherwise}`],
        ["", `with some arguments only: ${filter.conditional.join(" ") || "none"}`],
      ]
      : [],
    ["label", label ?? "none"],
  ];
}

/** Children below their parents. */
function tree({ processes }: Anatomy): string[][] {
  const inside = new Set(processes.map(({ pid }) => pid));
  const below = (parent: number | undefined, depth: number): string[][] =>
    processes.filter((one) => parent === undefined ? !inside.has(one.parent) : one.parent === parent).flatMap((one) => [
      [`${one.pid}`, one.inside.join(" → "), `${"  ".repeat(depth)}${one.command}`],
      ...below(one.pid, depth + 1),
    ]);
  return below(undefined, 0);
}
