/** Whether programs need other operations here than those they are planned with. */
import { missingForPrograms } from "./available.ts";
import type { Fallback } from "./without/fallback.ts";

export type { Fallback } from "./without/fallback.ts";

/** What stands in, for one program, for the calls that are missing; undefined where all are there. It is the caller's to close. */
export async function fallback(): Promise<Fallback | undefined> {
  const missing = missingForPrograms();
  return missing && new (await import("./without/fallback.ts")).Fallback(missing);
}
