/** What this machine is, as far as containers are concerned. */

/** Bytes of memory that the machine has. proc(5) */
export function memoryBytes(): number {
  const kilobytes = /^MemTotal:\s+(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/meminfo"))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/** The operating system's name for people, `Debian GNU/Linux 12 (bookworm)`. os-release(5) */
export function operatingSystem(): string {
  for (const path of ["/etc/os-release", "/usr/lib/os-release"]) {
    try {
      const name = /^PRETTY_NAME=(?:"(.*)"|'(.*)'|(.*))$/m.exec(Deno.readTextFileSync(path));
      if (name) return name[1] ?? name[2] ?? name[3] ?? "";
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return "Linux";
}

/** Names of file systems by what statfs(2) calls them; those that Linux servers have. */
const FILE_SYSTEMS: Record<string, string> = {
  "ef53": "extfs",
  "58465342": "xfs",
  "9123683e": "btrfs",
  "1021994": "tmpfs",
  "794c7630": "overlayfs",
  "2fc12fc1": "zfs",
  "f2f52010": "f2fs",
  "ca451a4e": "bcachefs",
  "6969": "nfs",
  "4d44": "vfat",
  "65735546": "fuse",
  "1021997": "9p",
};

/** The name of a file system by its number in statfs(2); the number where it has none here. */
export function fileSystemName(type: number): string {
  const number = type.toString(16);
  return FILE_SYSTEMS[number] ?? `0x${number}`;
}
