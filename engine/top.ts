/** `mini top`: the processes of a container in the columns of ps(1), read from /proc, whether there is a ps or not. */
import { MiniError } from "../ffi/errors.ts";
import { memoryBytes } from "./host_facts.ts";
import { type Process, TICKS_PER_SECOND } from "./processes.ts";

/** What is needed of the host to tell of its processes. */
export interface Host {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** When the machine was started, milliseconds since 1970. */
  readonly boot: number;
  readonly memoryBytes: number;
  /** Names by number, as the host has them. */
  readonly users: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, string>;
}

/** A column: its heading, and what stands in it. */
export interface Column {
  readonly heading: string;
  readonly show: (process: Process, host: Host) => string;
}

const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
const user = ({ uid }: Process, { users }: Host) => users.get(uid) ?? String(uid);
const group = ({ gid }: Process, { groups }: Host) => groups.get(gid) ?? String(gid);
const command = ({ args, name, state }: Process) =>
  state === "Z" ? `[${name}] <defunct>` : args.length > 0 ? args.join(" ") : `[${name}]`;
const started = ({ startTicks }: Process, { boot }: Host) => boot + startTicks * 1000 / TICKS_PER_SECOND;
const seconds = (process: Process, host: Host) => Math.max(0, (host.now - started(process, host)) / 1000);
const cpuSeconds = ({ cpuTicks }: Process) => Math.floor(cpuTicks / TICKS_PER_SECOND);

/** Of one processor since it was started. */
function cpuPercent(process: Process, host: Host): number {
  const lived = seconds(process, host);
  return lived > 0 ? 100 * process.cpuTicks / TICKS_PER_SECOND / lived : 0;
}

/** `HH:MM` of today, else the day, else the year. */
function startTime(process: Process, host: Host): string {
  const time = new Date(started(process, host)), now = new Date(host.now);
  if (time.toDateString() === now.toDateString()) return `${two(time.getHours())}:${two(time.getMinutes())}`;
  if (time.getFullYear() === now.getFullYear()) return time.toDateString().slice(4, 10).replace(" ", "");
  return String(time.getFullYear());
}

/** `[DD-]HH:MM:SS` */
function clock(total: number): string {
  const days = Math.floor(total / 86_400);
  return `${days ? `${days}-` : ""}${two(total / 3600 % 24)}:${two(total / 60 % 60)}:${two(total % 60)}`;
}

/** `[[DD-]HH:]MM:SS` */
const elapsed = (total: number) => clock(total).replace(/^00:/, "");

/** `pts/0`, `tty1`, or `?` for none. tty_nr of proc(5) */
export function terminalName(device: number): string {
  const major = device >> 8 & 0xfff, minor = device & 0xff | device >> 12 & 0xfff00;
  if (device === 0) return "?";
  if (major >= 136 && major <= 143) return `pts/${minor + (major - 136) * 256}`;
  return major === 4 && minor < 64 ? `tty${minor}` : "?";
}

/** The state with what ps adds: `s` leads a session, `l` has threads, `+` is in the foreground, `<` and `N` are niceness. */
function stateWithMarks({ state, pid, group, session, foreground, nice, threads }: Process): string {
  return state + (nice < 0 ? "<" : nice > 0 ? "N" : "") + (session === pid ? "s" : "") + (threads > 1 ? "l" : "") +
    (foreground === group && foreground > 0 ? "+" : "");
}

const COLUMNS: Record<string, Column> = {
  args: { heading: "COMMAND", show: command },
  c: { heading: "C", show: (process, host) => String(Math.min(99, Math.floor(cpuPercent(process, host)))) },
  comm: { heading: "COMMAND", show: ({ name }) => name },
  "%cpu": { heading: "%CPU", show: (process, host) => cpuPercent(process, host).toFixed(1) },
  etime: { heading: "ELAPSED", show: (process, host) => elapsed(seconds(process, host)) },
  gid: { heading: "GID", show: ({ gid }) => String(gid) },
  group: { heading: "GROUP", show: group },
  lstart: { heading: "STARTED", show: (process, host) => new Date(started(process, host)).toString().slice(0, 24) },
  "%mem": {
    heading: "%MEM",
    show: ({ residentBytes }, host) => (100 * residentBytes / host.memoryBytes).toFixed(1),
  },
  ni: { heading: "NI", show: ({ nice }) => String(nice) },
  nlwp: { heading: "NLWP", show: ({ threads }) => String(threads) },
  pgid: { heading: "PGID", show: ({ group }) => String(group) },
  pid: { heading: "PID", show: ({ pid }) => String(pid) },
  ppid: { heading: "PPID", show: ({ parent }) => String(parent) },
  pri: { heading: "PRI", show: ({ priority }) => String(39 - priority) },
  rss: { heading: "RSS", show: ({ residentBytes }) => String(residentBytes / 1024) },
  s: { heading: "S", show: ({ state }) => state },
  sid: { heading: "SID", show: ({ session }) => String(session) },
  start: { heading: "START", show: startTime },
  stat: { heading: "STAT", show: stateWithMarks },
  stime: { heading: "STIME", show: startTime },
  time: { heading: "TIME", show: (process) => clock(cpuSeconds(process)) },
  tty: { heading: "TTY", show: ({ terminal }) => terminalName(terminal) },
  uid: { heading: "UID", show: ({ uid }) => String(uid) },
  user: { heading: "USER", show: user },
  vsz: { heading: "VSZ", show: ({ virtualBytes }) => String(Math.floor(virtualBytes / 1024)) },
};

const ALIASES: Record<string, string> = {
  cmd: "args",
  command: "args",
  ucmd: "comm",
  ucomm: "comm",
  pcpu: "%cpu",
  pmem: "%mem",
  nice: "ni",
  pgrp: "pgid",
  sess: "sid",
  session: "sid",
  start_time: "stime",
  state: "s",
  cputime: "time",
  thcount: "nlwp",
  tt: "tty",
  tname: "tty",
  euid: "uid",
  euser: "user",
  uname: "user",
  egid: "gid",
  egroup: "group",
  rssize: "rss",
  vsize: "vsz",
};

/** Columns under the headings that `ps -f` and `ps u` give them. */
const under = (names: readonly [column: string, heading?: string][]) =>
  names.map(([name, heading]) => ({ ...COLUMNS[name]!, ...heading === undefined ? {} : { heading } }));
const FULL = under([["user", "UID"], ["pid"], ["ppid"], ["c"], ["stime"], ["tty"], ["time"], ["args", "CMD"]]);
const SHORT = under([["pid"], ["tty"], ["time"], ["comm", "CMD"]]);
const minutes: Column = {
  heading: "TIME",
  show: (process) => `${Math.floor(cpuSeconds(process) / 60)}:${two(cpuSeconds(process) % 60)}`,
};
const USERS = [
  ...under([["user"], ["pid"], ["%cpu"], ["%mem"], ["vsz"], ["rss"], ["tty"], ["stat"], ["start"]]),
  minutes,
  COLUMNS["args"]!,
];

/**
 * The columns that options of ps(1) ask for: `-ef` (the default), `aux`, `-o pid,comm=NAME`, and what is like them. Which
 * processes are shown is not for them to say: those of the container, all of them.
 *
 * @throws {MiniError} for any other option.
 */
export function topColumns(options: readonly string[]): readonly Column[] {
  let columns: readonly Column[] = options.length === 0 ? FULL : SHORT;
  const chosen: Column[] = [];
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!, letters = option.replace(/^-/, ""), isBsd = letters === option;
    for (let at = 0; at < letters.length; at++) {
      const letter = letters[at]!;
      if (letter === "o" || (isBsd && letter === "O")) {
        const list = letters.slice(at + 1) || options[++i];
        if (list === undefined) throw new MiniError(`the option ${option} of ps needs columns, as in -o pid,comm`);
        chosen.push(...readColumns(list));
        break;
      }
      if (letter === "f" && !isBsd) columns = FULL;
      else if (letter === "u" && isBsd) columns = USERS;
      else if (!(isBsd ? "axw" : "eAw").includes(letter)) throw unknownOption(option);
    }
    if (letters === "") throw unknownOption(option);
  }
  return chosen.length > 0 ? chosen : columns;
}

const unknownOption = (option: string) =>
  new MiniError(`the option ${option} of ps is not known here: -ef, aux and -o COLUMN,… are`);

function readColumns(list: string): Column[] {
  return list.split(",").map((item) => {
    const equals = item.indexOf("="), name = (equals < 0 ? item : item.slice(0, equals)).toLowerCase();
    const key = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name;
    const column = Object.hasOwn(COLUMNS, key) ? COLUMNS[key] : undefined;
    if (!column) {
      const known = [...Object.keys(COLUMNS), ...Object.keys(ALIASES)].sort().join(", ");
      throw new MiniError(`ps has no column '${name}' here, only ${known}`);
    }
    return {
      ...column,
      heading: equals < 0 ? (name === key ? column.heading : name.toUpperCase()) : item.slice(equals + 1),
    };
  });
}

/** The host as it is now. */
export function readHost(): Host {
  const boot = /^btime (\d+)$/m.exec(Deno.readTextFileSync("/proc/stat"))?.[1];
  return {
    now: Date.now(),
    boot: Number(boot) * 1000,
    memoryBytes: memoryBytes(),
    users: namesByNumber("/etc/passwd"),
    groups: namesByNumber("/etc/group"),
  };
}

/** The first and third fields of passwd(5) and group(5). */
function namesByNumber(path: string): Map<number, string> {
  let text = "";
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const names = new Map<number, string>();
  for (const [name = "", , id = ""] of text.split("\n").map((line) => line.split(":"))) {
    if (/^[0-9]+$/.test(id) && !names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}
