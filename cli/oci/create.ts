/** `mini oci create`. */
import { OciContainers } from "../../engine/oci/containers.ts";
import { create, type CreateOptions } from "../../engine/oci/create.ts";
import type { OciInvocation } from "./command.ts";

/** The flags that create and run share. */
export function creationOptions({ flags, globals }: Pick<OciInvocation, "flags" | "globals">): CreateOptions {
  const folder = flags.string("bundle") || ".";
  return {
    bundle: absolute(folder),
    consoleSocket: flags.string("console-socket") || undefined,
    pidfdSocket: flags.string("pidfd-socket") || undefined,
    pidFile: flags.string("pid-file") || undefined,
    preserveFds: flags.number("preserve-fds") ?? 0,
    noPivot: flags.boolean("no-pivot"),
    noNewKeyring: flags.boolean("no-new-keyring"),
    systemdCgroup: globals.systemdCgroup,
  };
}

/** A path from the working directory, without `.` and doubled slashes at its end. */
export const absolute = (path: string) =>
  (path.startsWith("/") ? path : `${Deno.cwd()}/${path}`).replace(/(\/\.?)+$/, "") || "/";

export default async function (invocation: OciInvocation): Promise<number> {
  const containers = new OciContainers(invocation.globals.root);
  const container = await create(containers, invocation.args[0]!, creationOptions(invocation), invocation.warn);
  container.leave();
  return 0;
}
