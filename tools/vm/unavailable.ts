/** The test machine cannot be had here, and why: its tests are skipped. Anything else that goes wrong is a failure. */
export class Unavailable extends Error {
  override name = "Unavailable";
}
