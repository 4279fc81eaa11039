/** `mini oci` behind flags of mini's own. */
import type { Invocation } from "./command.ts";
import { report } from "./main.ts";
import { ociMain } from "./oci/main.ts";

export default ({ raw }: Invocation): Promise<number> => ociMain(raw, report);
