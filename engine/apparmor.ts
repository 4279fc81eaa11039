/** The default profile of AppArmor, `mini-default`, loaded where it is not yet. */
import { MiniError } from "../ffi/errors.ts";

/** What it is called. */
export const APPARMOR_PROFILE = "mini-default";

/**
 * What a container's programs may not do even as root: mount, write what the host has in /proc and /sys, trace or signal what
 * is not in a container. apparmor.d(5). As Docker's, it names what is forbidden and leaves the rest to capabilities and seccomp.
 */
export const PROFILE = `#include <tunables/global>
profile ${APPARMOR_PROFILE} flags=(attach_disconnected,mediate_deleted) {
  network,
  capability,
  file,
  umount,
  signal (receive) peer=unconfined,
  signal (send,receive) peer=${APPARMOR_PROFILE},
  ptrace (trace,read,tracedby,readby) peer=${APPARMOR_PROFILE},
  deny mount,
  deny @{PROC}/* w,
  deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,
  deny @{PROC}/sys/[^k]** w,
  deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/kcore rwklx,
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}
`;

const PARSERS = ["/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"];

function isLoaded(): boolean {
  try {
    const loaded = Deno.readTextFileSync("/sys/kernel/security/apparmor/profiles");
    return loaded.split("\n").some((line) => line.startsWith(`${APPARMOR_PROFILE} (`));
  } catch (error) {
    // Where securityfs is not mounted nobody can tell; loading it once more changes nothing.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function findParser(): string | undefined {
  return PARSERS.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/**
 * Makes sure that the profile is loaded.
 *
 * @returns whether it is: without apparmor_parser there is nobody who could load it, as in Docker.
 * @throws {MiniError} when the parser does not load it.
 */
export function loadAppArmorProfile(): boolean {
  if (isLoaded()) return true;
  const parser = findParser();
  if (parser === undefined) return false;
  const file = Deno.makeTempFileSync({ prefix: "mini-apparmor-" });
  try {
    Deno.writeTextFileSync(file, PROFILE);
    const { success, stderr } = new Deno.Command(parser, { args: ["-Kr", file] }).outputSync();
    if (success) return true;
    const said = new TextDecoder().decode(stderr).trim().split("\n")[0];
    throw new MiniError(
      `${parser} cannot load the profile ${APPARMOR_PROFILE} (${said}); --security-opt apparmor=unconfined runs without it`,
    );
  } finally {
    Deno.removeSync(file);
  }
}
