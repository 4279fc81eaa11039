/**
 * What completion offers of the things that exist on this machine. Each entry imports what it needs when it is called.
 */

import type { Providers } from "./complete.ts";

/** By the kind of name that is asked for; a kind without an entry is not offered. */
export const providers: Providers = {
  image: async ({ root }) => {
    const [{ Store }, { familiar }] = await Promise.all([import("../images/store.ts"), import("../images/names.ts")]);
    return new Store(root).images.list().flatMap(({ names }) => names.map(familiar));
  },
};
