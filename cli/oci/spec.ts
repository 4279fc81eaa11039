/** `mini oci spec`. */
import { MiniError } from "../../ffi/errors.ts";
import { defaultSpec } from "../../engine/oci/default_spec.ts";
import { cgroupTree } from "../../runtime/cgroup.ts";
import type { OciInvocation } from "./command.ts";
import { absolute } from "./create.ts";

export default function ({ flags }: OciInvocation): number {
  const path = `${absolute(flags.string("bundle") || ".")}/config.json`;
  const rootless = flags.boolean("rootless") ? { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 } : undefined;
  const unified = !cgroupTree()?.hybrid;
  const text = `${JSON.stringify(defaultSpec(rootless, unified), null, "\t")}\n`;
  try {
    Deno.writeTextFileSync(path, text, { createNew: true, mode: 0o666 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new MiniError(`file config.json exists: ${path} is there already; remove it first`);
    }
    throw new MiniError(`cannot write ${path}: ${(error as Error).message}`, undefined, { cause: error });
  }
  return 0;
}
