/** `mini oci restore`. */
import { OciContainers } from "../../engine/oci/containers.ts";
import { restore } from "../../engine/oci/restore.ts";
import { shellStatus, waitForExit } from "../../ffi/exit_status.ts";
import { close } from "../../ffi/kernel.ts";
import { readable } from "../../ffi/reactor.ts";
import { criuOptions, PASSED_ON } from "./checkpoint.ts";
import type { OciInvocation } from "./command.ts";
import { absolute } from "./create.ts";

export default async function ({ args, flags, globals, warn }: OciInvocation): Promise<number> {
  const containers = new OciContainers(globals.root), id = args[0]!;
  const pidfd = await restore(containers, id, {
    ...criuOptions(flags, PASSED_ON),
    bundle: absolute(flags.string("bundle") || "."),
    pidFile: flags.string("pid-file") || undefined,
    systemdCgroup: globals.systemdCgroup,
  });
  try {
    if (flags.boolean("detach")) return 0;
    await readable(pidfd);
    const status = shellStatus(waitForExit(pidfd));
    const { remove } = await import("../../engine/oci/delete.ts");
    await remove(containers, id, false, warn);
    return status;
  } finally {
    close(pidfd);
  }
}
