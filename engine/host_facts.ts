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
