/**
 * What completion offers of the things that exist on this machine. Each entry imports what it needs when it is called.
 */

import type { Providers } from "./complete.ts";

/** By the kind of name that is asked for; a kind without an entry is not offered. */
export const providers: Providers = {
  thing: async (globals) => {
    const kinds = ["container", "image", "volume", "network"] as const;
    const names = await Promise.all(kinds.map(async (kind) => await providers[kind]!(globals)));
    return [...new Set(names.flat())];
  },
  // The names that are taken; there is no need to look at what they are names of.
  container: ({ root }) => Promise.resolve(entries(`${root}/names`)),
  volume: ({ root }) => Promise.resolve(entries(`${root}/volumes`)),
  network: async ({ root, state }) => {
    const { NetworkStore } = await import("../network/store.ts");
    return new NetworkStore(root, state).list().map(({ name }) => name);
  },
  image: async ({ root }) => {
    const [{ Store }, { familiar }] = await Promise.all([import("../images/store.ts"), import("../images/names.ts")]);
    return new Store(root).images.list().flatMap(({ names }) => names.map(familiar));
  },
};

/** The names in a folder, those of what is just being made left out; none if there is no such folder. */
function entries(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) => !name.startsWith(".")).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
