/** What the flags of rows/images_remote.ts mean. */

import { loadRegistries, type RegistriesConfig } from "../images/config_file.ts";
import { createProgress, type Progress, silent, streamSink } from "../images/progress.ts";
import type { FlagValues } from "./flag_values.ts";

/** Joins a command's flags about registries with the environment and the configuration. */
export async function registriesOf(flags: FlagValues, hasMirrors = false): Promise<RegistriesConfig> {
  return await loadRegistries({
    config: flags.string("config"),
    insecure: flags.boolean("tls-verify") ? undefined : true,
    mirrors: hasMirrors ? flags.list("mirror") : undefined,
  });
}

/** Progress on standard output, or none with `-q`. */
export function progressOf(flags: FlagValues): Progress {
  return flags.boolean("quiet") ? silent : createProgress(streamSink(Deno.stdout));
}
