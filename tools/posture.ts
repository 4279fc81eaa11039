/**
 * What a container is given where nobody asks for anything: of mini, and of the other runtimes that are here, side by side as
 * a table of Markdown.
 *
 *     sudo deno run -A tools/posture.ts
 */
import { CAPABILITIES } from "../runtime/capabilities.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const NAMESPACES = ["pid", "mnt", "net", "ipc", "uts", "cgroup", "user", "time"];
/** Runs in each of them. */
const PROBE = `
  grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status
  for n in ${NAMESPACES.join(" ")}; do echo "ns $n $(readlink /proc/self/ns/$n)"; done
  while read -r _ place type options _; do echo "mount $place $type $options"; done < /proc/mounts
  echo "exe $(readlink /proc/1/exe)"
  for f in /proc/sys/kernel/core_pattern /sys/kernel/uevent_helper /sys/fs/cgroup/cgroup.procs /proc/sysrq-trigger; do
    (: >> $f) 2>/dev/null && echo "writable $f"; done
  for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts /proc/sched_debug /sys/firmware /proc/acpi /proc/scsi; do
    [ -e $f ] && [ -n "$(head -c 1 $f 2>/dev/null; ls $f/ 2>/dev/null)" ] && echo "readable $f"; done
  echo "mknod $(mknod /tmp/null c 1 3 2>/dev/null && head -c 1 /dev/zero > /tmp/null 2>/dev/null && echo yes || echo no)"
  echo "mknod disk $(mknod /tmp/loop b 7 0 2>/dev/null && head -c 0 /tmp/loop 2>/dev/null && echo yes || echo no)"
  echo "unshare $(unshare -U true 2>/dev/null && echo yes || echo no)"
  true`;

interface Seen {
  readonly name: string;
  readonly lines: readonly string[];
}

async function run(command: readonly string[], cwd?: string): Promise<string | undefined> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command[0]!, {
      args: command.slice(1),
      ...cwd === undefined ? {} : { cwd },
    }).output();
    if (success) return new TextDecoder().decode(stdout);
    console.error(`${command.slice(0, 3).join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return undefined;
}

/** The lines of one field, without its name. */
const field = ({ lines }: Seen, name: string) =>
  lines.filter((line) => line.startsWith(name)).map((line) => line.slice(name.length).trim());

function capabilities(hex: string): string {
  const mask = BigInt(`0x${hex}`);
  const names = CAPABILITIES.filter((_, i) => mask & 1n << BigInt(i)).map((name) => name.slice("CAP_".length));
  return names.length === 0 ? "none" : `${names.length}: ${names.join(" ")}`;
}

/** One mount as \`place (flags)\`, the flags that close something first. */
function mountLine(text: string): string {
  const [place = "", type = "", options = ""] = text.split(" ");
  const flags = options.split(",").filter((o) => /^(ro|nosuid|nodev|noexec)$/.test(o));
  return `${place} ${type}${flags.length > 0 ? ` (${flags.join(" ")})` : ""}`;
}

const FILTER: Record<string, string> = { "0": "off", "1": "strict", "2": "filter" };
const isSystem = (mount: string) =>
  /^\/(proc|sys|dev|sys\/fs\/cgroup|dev\/\w+) /.test(mount) && !/^\/dev\/(console|null)/.test(mount);

const ROWS: readonly (readonly [what: string, value: (seen: Seen) => string])[] = [
  ["effective capabilities", (s) => capabilities(field(s, "CapEff:")[0] ?? "0")],
  [
    "bounding set",
    (s) => field(s, "CapBnd:")[0] === field(s, "CapEff:")[0] ? "the same" : capabilities(field(s, "CapBnd:")[0]!),
  ],
  ["inheritable, ambient", (s) => [field(s, "CapInh:")[0]!, field(s, "CapAmb:")[0]!].map(capabilities).join(", ")],
  ["no_new_privs", (s) => field(s, "NoNewPrivs:")[0] === "1" ? "on" : "off"],
  ["seccomp", (s) => FILTER[field(s, "Seccomp:")[0] ?? "0"]!],
  [
    "namespaces of its own",
    (s) =>
      field(s, "ns ").filter((line) => line.split(" ")[1] !== Deno.readLinkSync(`/proc/self/ns/${line.split(" ")[0]}`))
        .map((line) => line.split(" ")[0]).join(" "),
  ],
  ["file systems", (s) => field(s, "mount ").filter(isSystem).map(mountLine).join("<br>")],
  [
    "hidden or read-only in /proc and /sys",
    (s) =>
      field(s, "mount ").filter((m) => /^\/(proc\/|sys\/(?!fs))./.test(m)).map((m) => m.split(" ")[0]).sort().join(" "),
  ],
  ["of the host's, readable", (s) => field(s, "readable ").join(" ") || "none"],
  ["of the host's, writable", (s) => field(s, "writable ").join(" ") || "none"],
  ["a disk's node can be made and opened", (s) => field(s, "mknod disk ")[0]!],
  ["a user namespace can be made", (s) => field(s, "unshare ")[0]!],
];

async function probe(folder: string): Promise<Seen[]> {
  const rootfs = `${folder}/bundle/rootfs`;
  await Deno.mkdir(rootfs, { recursive: true });
  await run(["tar", "-xzf", `${ROOT}build/starter.tar.gz`, "-C", rootfs]);
  const shell = ["sh", "-c", PROBE];
  const outputs: [string, string | undefined][] = [
    ["mini", await run([`${ROOT}mini`, "run", "--rm", "starter", ...shell])],
    [
      "podman",
      await run([
        "podman",
        "run",
        "--rm",
        "--network",
        "none",
        "--ulimit",
        "nofile=1024:1024",
        "--ulimit",
        "nproc=1024:1024",
        "--rootfs",
        rootfs,
        ...shell,
      ]),
    ],
  ];
  if (await run(["runc", "spec"], `${folder}/bundle`) !== undefined) {
    const path = `${folder}/bundle/config.json`, spec = JSON.parse(await Deno.readTextFile(path));
    spec.process.terminal = false;
    spec.process.args = shell;
    spec.root.readonly = false;
    await Deno.writeTextFile(path, JSON.stringify(spec));
    outputs.push(["runc (`runc spec`)", await run(["runc", "run", `mini-posture-${Deno.pid}`], `${folder}/bundle`)]);
  }
  return outputs.flatMap(([name, output]) => output === undefined ? [] : [{ name, lines: output.trim().split("\n") }]);
}

const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "mini-posture-" });
try {
  const seen = await probe(folder);
  const line = (cells: readonly string[]) => console.log(`| ${cells.join(" | ")} |`);
  line(["", ...seen.map(({ name }) => name)]);
  line(["---", ...seen.map(() => "---")]);
  for (const [what, value] of ROWS) line([what, ...seen.map(value)]);
} finally {
  await Deno.remove(folder, { recursive: true });
}
