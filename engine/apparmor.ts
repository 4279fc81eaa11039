/** The default profile of AppArmor, `mini-default`, loaded where it is not yet. */
import { MiniError } from "../ffi/errors.ts";
import { exists } from "../ffi/exists.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";

/** What it is called. */
export const APPARMOR_PROFILE = "mini-default";

/**
 * What a container's programs may not do even as root, and even where a path is not hidden from them: mount, write what the
 * host has in /proc and /sys, trace or signal what is not in a container. It names what is forbidden; the rest is left to
 * capabilities and to seccomp. apparmor.d(5)
 */
export const PROFILE = `#include <tunables/global>
profile ${APPARMOR_PROFILE} flags=(attach_disconnected,mediate_deleted) {
  capability,
  file,
  network,
  unix,
  umount,
  signal (receive) peer=unconfined,
  signal peer=${APPARMOR_PROFILE},
  ptrace peer=${APPARMOR_PROFILE},
  deny mount,
  deny @{PROC}/sys/{abi,debug,dev,fs,kernel,user,vm}/** wl,
  deny @{PROC}/{acpi,bus,fs,irq,scsi,tty}/** wl,
  deny @{PROC}/{kcore,keys,mtrr,sysrq-trigger} rwlkx,
  deny /sys/{block,bus,class,dev,devices,hypervisor,module,power}/** wl,
  deny /sys/fs/{bpf,btrfs,ext4,f2fs,fuse,pstore,resctrl,selinux,smackfs,xfs}/** wl,
  deny /sys/{firmware,kernel/debug,kernel/security,kernel/tracing}/** rwlkx,
}
`;

/** Where the kernel shows what is loaded, and is given more: not on a host that has AppArmor and does not use it. */
const SECURITYFS = "/sys/kernel/security/apparmor";
const PARSERS = ["/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"];

function isLoaded(): boolean {
  try {
    const loaded = Deno.readTextFileSync(`${SECURITYFS}/profiles`);
    return loaded.split("\n").some((line) => line.startsWith(`${APPARMOR_PROFILE} (`));
  } catch (error) {
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
 * @returns whether it is: without securityfs and apparmor_parser nobody could load it, and the host does without, as in Docker.
 * @throws {MiniError} when the parser does not load it.
 */
export function loadAppArmorProfile(): boolean {
  // An ordinary user may neither load a profile nor see which there are.
  if (ownNamespace()) return false;
  if (isLoaded()) return true;
  if (!exists(SECURITYFS)) return false;
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
