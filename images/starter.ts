/** The image that is in mini itself: a small root file system with busybox, for a machine that reaches no registry. */
import { MiniError } from "../ffi/errors.ts";
import { embedded } from "../ffi/self.ts";
import { STARTER } from "./names.ts";
import type { Store } from "./store.ts";

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Puts the embedded image into the store under the name `localhost/starter:latest`, unless an image has that name.
 *
 * @throws {MiniError} if this mini was built without one.
 */
export async function ensureStarter(store: Store): Promise<void> {
  if (store.images.resolve(STARTER) !== undefined) return;
  const archive = embedded("starter.tar.gz");
  if (archive === undefined) {
    throw new MiniError(
      "this mini was built without the starter image: install busybox-static and build it again, or name another image",
    );
  }
  const { importImage } = await import("./archive_import.ts");
  const { hostPlatform } = await import("./platform.ts");
  await importImage(store, ReadableStream.from([archive]), {
    name: STARTER,
    platform: hostPlatform(),
    // Fixed, so that the same build gives the same image everywhere.
    created: "1970-01-01T00:00:00Z",
    config: { Env: [`PATH=${PATH}`], Cmd: ["/bin/sh"] },
    message: "The embedded image of mini",
  });
}
