/** When an image or a step of it was made, as its configuration says, which may be nothing or nonsense. */

import { ago } from "./human.ts";

/** `3 weeks ago`; `N/A` where there is no time. */
export function createdSince(created: string): string {
  const time = new Date(created);
  return Number.isNaN(time.getTime()) ? "N/A" : ago(time);
}
