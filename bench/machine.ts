/** What results were measured on. */

/** What a program prints, its first line only; undefined if it is not there. */
export function firstLine(command: string, ...args: string[]): string | undefined {
  try {
    const { stdout } = new Deno.Command(command, { args, stdin: "null", stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout).split("\n")[0];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function field(path: string, name: string): string | undefined {
  return new RegExp(`^${name}\\s*[:=]\\s*"?(.*?)"?$`, "m").exec(Deno.readTextFileSync(path))?.[1];
}

/** One line about the machine, as it stands above results. */
export function machine(): string {
  const cpu = field("/proc/cpuinfo", "model name") ?? Deno.build.arch;
  const memory = (Number.parseInt(field("/proc/meminfo", "MemTotal") ?? "0") / 2 ** 20).toFixed(0);
  const system = field("/etc/os-release", "PRETTY_NAME");
  return `${cpu}, ${navigator.hardwareConcurrency} processors, ${memory} GiB, Linux ${Deno.osRelease()}, ${system}`;
}
