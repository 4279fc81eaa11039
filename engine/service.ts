/** `mini system install`: containers come back with the machine, by systemd or by OpenRC. */
import { dirname } from "@std/path";
import { MiniError } from "../ffi/errors.ts";
import { exists } from "../ffi/exists.ts";

/** Who starts services on a machine. */
export type InitSystem = "systemd" | "openrc";

/** What is installed. */
export interface Service {
  /** The mini file, an absolute path. */
  readonly program: string;
  readonly root: string;
  readonly state: string;
}

/** How long all containers together have to end when the machine does. */
const STOP_SECONDS = 10;

interface InstalledFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
  /** The symbolic link that enables it. */
  readonly enabledBy: string;
}

/** Words of a command line as systemd reads them: systemd.service(5), "Command lines", and systemd.unit(5), specifiers. */
const systemdWord = (word: string) =>
  `"${word.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;
const shellWord = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

function files(init: InitSystem, { program, root, state }: Service): InstalledFile {
  const command = (word: (text: string) => string, ...args: string[]) =>
    [program, "--root", root, "--state", state, "system", ...args].map(word).join(" ");
  if (init === "systemd") {
    return {
      path: "/etc/systemd/system/mini.service",
      enabledBy: "/etc/systemd/system/multi-user.target.wants/mini.service",
      mode: 0o644,
      content: `# Made by 'mini system install'; 'mini system uninstall' removes it.
[Unit]
Description=Containers of mini that come back with the machine
Wants=network-online.target
After=network-online.target local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${command(systemdWord, "start")}
ExecStop=${command(systemdWord, "stop", "--time", `${STOP_SECONDS}`)}
# Containers are not the service's processes: mini keeps them in cgroups of their own.
KillMode=process
TimeoutStopSec=${STOP_SECONDS + 20}

[Install]
WantedBy=multi-user.target
`,
    };
  }
  return {
    path: "/etc/init.d/mini",
    enabledBy: "/etc/runlevels/default/mini",
    mode: 0o755,
    content: `#!/sbin/openrc-run
# Made by 'mini system install'; 'mini system uninstall' removes it.
description="Containers of mini that come back with the machine"

depend() {
	need localmount
	use net
	after firewall cgroups
}

start() {
	ebegin "Starting containers"
	${command(shellWord, "start")}
	eend $?
}

stop() {
	ebegin "Stopping containers"
	${command(shellWord, "stop", "--time", `${STOP_SECONDS}`)}
	eend $?
}
`,
  };
}

/** Who starts services here. @throws {MiniError} when it is neither. */
export function findInit(): InitSystem {
  if (exists("/run/systemd/system")) return "systemd";
  if (exists("/sbin/openrc-run")) return "openrc";
  throw new MiniError("this machine is started neither by systemd nor by OpenRC: say which files to write with --init");
}

/** Has systemd read its files again, where it is the one that runs. */
function reload(init: InitSystem, destdir: string): void {
  if (init !== "systemd" || destdir !== "" || !exists("/run/systemd/system")) return;
  const { success, stderr } = new Deno.Command("systemctl", { args: ["daemon-reload"], stdin: "null" }).outputSync();
  if (!success) throw new MiniError(`systemctl daemon-reload failed: ${new TextDecoder().decode(stderr).trim()}`);
}

/**
 * Writes the service's file and enables it.
 *
 * @param destdir what stands before every path; empty for this machine.
 * @returns the paths written. @throws {MiniError} when they cannot be.
 */
export function installService(init: InitSystem, service: Service, destdir: string): string[] {
  const file = files(init, service), path = destdir + file.path, link = destdir + file.enabledBy;
  try {
    for (const one of [path, link]) Deno.mkdirSync(dirname(one), { recursive: true });
    Deno.writeTextFileSync(`${path}.tmp`, file.content, { mode: file.mode });
    Deno.renameSync(`${path}.tmp`, path);
    if (!exists(link)) Deno.symlinkSync(file.path, link);
  } catch (error) {
    throw new MiniError(`the service cannot be installed: ${(error as Error).message}`);
  }
  reload(init, destdir);
  return [path, link];
}

/** Takes the service away again. @returns the paths removed; none if it was not installed. */
export function uninstallService(init: InitSystem, destdir: string): string[] {
  const file = files(init, { program: "", root: "", state: "" });
  const removed = [file.enabledBy, file.path].map((path) => destdir + path).filter(exists);
  for (const path of removed) Deno.removeSync(path);
  if (removed.length > 0) reload(init, destdir);
  return removed;
}
