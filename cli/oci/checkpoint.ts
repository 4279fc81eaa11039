/** `mini oci checkpoint`. */
import { checkpoint } from "../../engine/oci/checkpoint.ts";
import { OciContainers } from "../../engine/oci/containers.ts";
import type { CriuOptions } from "../../engine/oci/criu.ts";
import type { FlagValues } from "../flag_values.ts";
import type { OciInvocation } from "./command.ts";
import { absolute } from "./create.ts";

/** Where the checkpoint is, and the flags that are passed on. */
export function criuOptions(flags: FlagValues, passedOn: readonly string[]): CriuOptions {
  const images = absolute(flags.string("image-path") || "checkpoint");
  return {
    images,
    work: flags.string("work-path") ? absolute(flags.string("work-path")!) : images,
    flags: passedOn.filter((name) => flags.boolean(name)).map((name) => `--${name}`),
  };
}

/** What restore passes on as well. */
export const PASSED_ON = ["tcp-established", "ext-unix-sk", "shell-job", "file-locks"] as const;

export default async function ({ args, flags, globals, warn }: OciInvocation): Promise<number> {
  const options = {
    ...criuOptions(flags, [...PASSED_ON, "tcp-skip-in-flight", "link-remap"]),
    leaveRunning: flags.boolean("leave-running"),
  };
  await checkpoint(new OciContainers(globals.root), args[0]!, options, warn);
  return 0;
}
