/** `mini info`. */
import { Containers } from "../engine/containers.ts";
import { gatherInfo, type Info } from "../engine/info.ts";
import type { Invocation } from "./command.ts";
import { formatOne } from "./format.ts";
import { humanBinarySize } from "./human.ts";
import { noteDamage } from "./note.ts";
import { printable, write } from "./output.ts";
import { VERSION } from "./version.ts";

/** Tells what there is on this machine, in Docker's layout. */
export default async function info({ flags, globals }: Invocation): Promise<number> {
  const facts = await gatherInfo(new Containers(globals.root, globals.state), VERSION, noteDamage);
  const format = flags.string("format");
  if (format !== undefined) {
    write(formatOne(facts, format));
    return 0;
  }
  write(layOut(facts));
  for (const warning of facts.Warnings) write(`WARNING: ${warning}\n`, Deno.stderr);
  return 0;
}

/** A line for each fact; one that begins with a space belongs to the one above it. */
function layOut(facts: Info): string {
  const lines: [name: string, value: unknown][] = [
    ["Version", facts.ServerVersion],
    ["Containers", facts.Containers],
    [" Running", facts.ContainersRunning],
    [" Paused", facts.ContainersPaused],
    [" Stopped", facts.ContainersStopped],
    ["Images", facts.Images],
    ["Storage Driver", facts.Driver],
    ...facts.DriverStatus.map(([name, value]): [string, string] => [` ${name}`, value]),
    ["Logging Driver", facts.LoggingDriver],
    ["Cgroup Driver", facts.CgroupDriver],
    ["Cgroup Version", facts.CgroupVersion || "none"],
    ["Security Options", facts.SecurityOptions.map((option) => option.replace(/^name=/, "")).join(" ")],
    ["Kernel Version", facts.KernelVersion],
    ["Operating System", facts.OperatingSystem],
    ["OSType", facts.OSType],
    ["Architecture", facts.Architecture],
    ["CPUs", facts.NCPU],
    ["Total Memory", humanBinarySize(facts.MemTotal)],
    ["Name", facts.Name],
    ["Root Dir", facts.DockerRootDir],
    ["State Dir", facts.StateDir],
  ];
  return lines.map(([name, value]) => `${name}: ${printable(String(value))}\n`).join("");
}
