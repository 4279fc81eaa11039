/** `mini oci update`. */
import { MiniError } from "../../ffi/errors.ts";
import { OciContainers } from "../../engine/oci/containers.ts";
import { update } from "../../engine/oci/update.ts";
import type { Resources } from "../../runtime/resources.ts";
import { parseResources } from "../../runtime/spec_read.ts";
import type { FlagValues } from "../flag_values.ts";
import { parseBytes } from "../../engine/units.ts";
import type { OciInvocation } from "./command.ts";

/** Where the value of a flag belongs in the resources of the specification. */
const PLACES: Readonly<Record<string, readonly [section: string, key: string]>> = {
  "blkio-weight": ["blockIO", "weight"],
  "cpu-period": ["cpu", "period"],
  "cpu-quota": ["cpu", "quota"],
  "cpu-burst": ["cpu", "burst"],
  "cpu-share": ["cpu", "shares"],
  "cpu-rt-period": ["cpu", "realtimePeriod"],
  "cpu-rt-runtime": ["cpu", "realtimeRuntime"],
  "cpu-idle": ["cpu", "idle"],
  "cpuset-cpus": ["cpu", "cpus"],
  "cpuset-mems": ["cpu", "mems"],
  "memory": ["memory", "limit"],
  "memory-reservation": ["memory", "reservation"],
  "memory-swap": ["memory", "swap"],
  "pids-limit": ["pids", "limit"],
};
const SIZES = ["memory", "memory-reservation", "memory-swap"], TEXTS = ["cpuset-cpus", "cpuset-mems"];

export default async function ({ args, flags, globals }: OciInvocation): Promise<number> {
  await update(new OciContainers(globals.root), args[0]!, readResources(flags));
  return 0;
}

function readResources(flags: FlagValues): Resources {
  const file = flags.string("resources");
  if (file !== undefined) return parseResources(readInput(file), "--resources");
  for (const name of ["l3-cache-schema", "mem-bw-schema"]) {
    if (flags.string(name)) throw new MiniError(`--${name} needs Intel's resource director, which mini does not use`);
  }
  const resources: Record<string, Record<string, unknown>> = {};
  for (const [flag, [section, key]] of Object.entries(PLACES)) {
    const text = flags.string(flag);
    if (text === undefined || text === "") continue;
    (resources[section] ??= {})[key] = TEXTS.includes(flag) ? text : number(flag, text);
  }
  if (Object.keys(resources).length === 0) {
    throw new MiniError("update needs at least one limit: see 'mini oci update --help'");
  }
  return parseResources(JSON.stringify(resources), "the limits");
}

function number(flag: string, text: string): number {
  if (/^-?\d+$/.test(text)) return Number(text);
  if (SIZES.includes(flag)) return parseBytes(text);
  throw new MiniError(`--${flag} takes a whole number, not ${JSON.stringify(text)}`);
}

function readInput(file: string): string {
  if (file !== "-") {
    try {
      return Deno.readTextFileSync(file);
    } catch (error) {
      throw new MiniError(`--resources ${file} cannot be read: ${(error as Error).message}`, undefined, {
        cause: error,
      });
    }
  }
  const chunks: Uint8Array[] = [], buffer = new Uint8Array(65536);
  for (let read; (read = Deno.stdin.readSync(buffer)) !== null;) chunks.push(buffer.slice(0, read));
  return new TextDecoder().decode(Uint8Array.from(chunks.flatMap((chunk) => [...chunk])));
}
