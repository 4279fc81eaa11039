/**
 * Which images there are and what they are called: `names.json`, a small table replaced as a whole under the store's
 * lock. An image is here because it has an entry; it may have any number of names, also none ("dangling").
 */
import { MiniError } from "../ffi/errors.ts";
import { isDigest } from "./digest.ts";
import { writeFileAtomically } from "./file_lock.ts";
import { familiarReference, formatReference, parseReference, withDefaultTag } from "./reference.ts";
import type { Store } from "./store.ts";

/** One image of the store. */
export interface ImageRecord {
  /** Digest of the manifest. */
  manifest: string;
  /** Digest of the configuration: the image ID. */
  id: string;
  /** When it was built, as the configuration says; empty if it does not. */
  created: string;
  /** Bytes of the files of all layers, as Docker's SIZE. */
  size: number;
  /** When it came into the store, ISO 8601. */
  stored: string;
}

/** What one name stands for. */
interface NameEntry {
  /** Digest of the manifest of this machine's image. */
  manifest: string;
  /** What a registry calls it: the digest of the index or manifest it was pulled or pushed as. Missing for a local name. */
  digest?: string;
}

interface Table {
  version: 1;
  /** By full name. */
  names: Record<string, NameEntry>;
  /** By manifest digest. */
  images: Record<string, Omit<ImageRecord, "manifest">>;
}

/** An image with its names, as lists show it. */
export interface NamedImage extends ImageRecord {
  /** Full names, `docker.io/library/alpine:latest`, sorted. */
  names: string[];
  /** `docker.io/library/alpine@sha256:…` for each repository it was pulled from or pushed to, sorted. */
  digests: string[];
}

/** The embedded image's name; plain `starter` means it too. */
export const STARTER = "localhost/starter:latest";

export class Names {
  constructor(private readonly store: Store) {}

  /**
   * The image that a text stands for: an ID, a name (`:latest` is added), `name@digest`, the beginning of an ID; tried in
   * that order, as Docker does. Undefined if there is none. @throws {MiniError} if the beginning of an ID is ambiguous.
   */
  resolve(text: string): ImageRecord | undefined {
    const table = this.read();
    const whole = /^[0-9a-f]{64}$/.test(text) ? `sha256:${text}` : text;
    if (isDigest(whole)) return this.byDigest(table, whole);
    const entry = this.entryOf(table, text);
    if (entry) return record(table, entry.manifest);
    const prefix = /^(?:sha256:)?([0-9a-f]{1,63})$/.exec(text)?.[1];
    if (prefix === undefined) return undefined;
    const found = records(table).filter(({ id }) => id.startsWith(`sha256:${prefix}`));
    if (new Set(found.map(({ id }) => id)).size > 1) {
      throw new MiniError(`${text} is the beginning of several image IDs; write more of it`);
    }
    return found[0];
  }

  /** The full name under which `text` is found, or undefined if it is an ID or unknown: what `rmi` takes away. */
  nameOf(text: string): string | undefined {
    if (/^[0-9a-f]{64}$/.test(text) || isDigest(text)) return undefined;
    const table = this.read();
    return this.candidates(text).find((name) => table.names[name] !== undefined) ?? undefined;
  }

  private candidates(text: string): string[] {
    try {
      const name = formatReference(withDefaultTag(parseReference(text)));
      return text === "starter" || text === "starter:latest" ? [name, STARTER] : [name];
    } catch (error) {
      if (error instanceof MiniError) return []; // no name; it may be the beginning of an ID
      throw error;
    }
  }

  private entryOf(table: Table, text: string): NameEntry | undefined {
    for (const name of this.candidates(text)) {
      const entry = table.names[name];
      if (entry) return entry;
      const reference = parseReference(name);
      if (reference.digest === undefined) continue;
      const { domain, path, digest } = reference;
      for (const [other, value] of Object.entries(table.names)) {
        const known = parseReference(other);
        if (known.domain !== domain || known.path !== path) continue;
        if (value.digest === digest || value.manifest === digest) return value;
      }
    }
    return undefined;
  }

  private byDigest(table: Table, digest: string): ImageRecord | undefined {
    const byName = Object.values(table.names).find((entry) => entry.digest === digest);
    return records(table).find(({ id, manifest }) => id === digest || manifest === digest) ??
      (byName && record(table, byName.manifest));
  }

  /**
   * Adds an image whose blobs and layers are all here (keep a lease until this has returned), and gives it a name; an
   * image without a name is added with `name` undefined. The image that had the name before stays, without it.
   *
   * @param digest what the registry calls it, if it came from one: the digest of the index or of the manifest.
   */
  put(name: string | undefined, manifestDigest: string, digest?: string): ImageRecord {
    const { config: { digest: id } } = this.store.manifest({ manifest: manifestDigest } as ImageRecord);
    const config = this.store.config({ id } as ImageRecord);
    const size = config.rootfs.diff_ids.reduce((sum, diffID) => sum + this.store.layers.size(diffID), 0);
    const full = name === undefined ? undefined : formatReference(withDefaultTag(parseReference(name)));
    return this.update((table) => {
      const stored = table.images[manifestDigest]?.stored ?? new Date().toISOString();
      table.images[manifestDigest] = { id, created: config.created ?? "", size, stored };
      if (full !== undefined) {
        const before = table.names[full]?.manifest;
        table.names[full] = { manifest: manifestDigest, ...(digest && { digest }) };
        dropOtherForm(table, before, id);
      }
      return record(table, manifestDigest)!;
    });
  }

  /** Gives an image that is here another name. @throws {MiniError} if there is no such image or the name is invalid. */
  tag(source: string, name: string): void {
    const reference = withDefaultTag(parseReference(name));
    if (reference.digest !== undefined) throw new MiniError(`a tag cannot have a digest: ${name}`);
    const image = this.resolve(source);
    if (image === undefined) throw new MiniError(`No such image: ${source}`);
    this.update((table) => {
      if (!table.images[image.manifest]) throw new MiniError(`the image ${source} has just been removed`);
      const full = formatReference(reference);
      const before = table.names[full]?.manifest;
      if (before === image.manifest) return;
      table.names[full] = { manifest: image.manifest };
      dropOtherForm(table, before, image.id);
    });
  }

  /** Notes under which digest a registry knows a name, after a push. */
  setDigest(name: string, digest: string): void {
    const full = formatReference(withDefaultTag(parseReference(name)));
    this.update((table) => {
      const entry = table.names[full];
      if (entry) entry.digest = digest;
    });
  }

  /** Takes away one full name; the image stays. Returns whether it was there. */
  untag(fullName: string): boolean {
    return this.update((table) => {
      const there = table.names[fullName] !== undefined;
      delete table.names[fullName];
      return there;
    });
  }

  /** Removes an image's entry and all its names; its content goes with the next garbage collection. */
  remove(manifestDigest: string): void {
    this.update((table) => {
      delete table.images[manifestDigest];
      for (const [name, entry] of Object.entries(table.names)) {
        if (entry.manifest === manifestDigest) delete table.names[name];
      }
    });
  }

  /** All images, the newest first. */
  list(): NamedImage[] {
    const table = this.read();
    const names = Object.entries(table.names).sort(([a], [b]) => a < b ? -1 : 1);
    return records(table).map((image) => {
      const mine = names.filter(([, entry]) => entry.manifest === image.manifest);
      const digests = mine.flatMap(([name, { digest }]) => digest ? [withDigest(name, digest)] : []);
      return { ...image, names: mine.map(([name]) => name), digests: [...new Set(digests)] };
    }).sort((a, b) => a.created === b.created ? (a.manifest < b.manifest ? -1 : 1) : a.created < b.created ? 1 : -1);
  }

  /** The full names of an image. */
  namesOf(image: ImageRecord): string[] {
    return Object.entries(this.read().names).filter(([, e]) => e.manifest === image.manifest).map(([name]) => name)
      .sort();
  }

  /** Digests that the table leads to: manifests, and the indexes that registries call them by. */
  roots(): { manifests: string[]; others: string[] } {
    const table = this.read();
    const others = Object.values(table.names).flatMap((entry) => entry.digest ?? []);
    return { manifests: Object.keys(table.images), others };
  }

  private get path(): string {
    return `${this.store.folder}/names.json`;
  }

  private read(): Table {
    let text: string;
    try {
      text = Deno.readTextFileSync(this.path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return { version: 1, names: {}, images: {} };
      throw error;
    }
    let table: Table;
    try {
      table = JSON.parse(text);
    } catch {
      throw new MiniError(`${this.path} is damaged; remove it (the images are then pulled again)`);
    }
    if (table.version !== 1) throw new MiniError(`${this.path} was written by a newer mini`);
    return table;
  }

  private update<T>(change: (table: Table) => T): T {
    using _ = this.store.lock("exclusive");
    const table = this.read();
    const result = change(table);
    writeFileAtomically(this.path, JSON.stringify(table, null, 1) + "\n");
    return result;
  }
}

function record(table: Table, manifest: string): ImageRecord | undefined {
  const image = table.images[manifest];
  return image && { manifest, ...image };
}

function records(table: Table): ImageRecord[] {
  return Object.keys(table.images).map((manifest) => record(table, manifest)!);
}

/**
 * An image that has just lost its name to another form of itself (the same configuration, with layers compressed in
 * another way) is not kept: to a person the two are one image, and a line without a name would be a riddle.
 */
function dropOtherForm(table: Table, manifest: string | undefined, id: string): void {
  if (manifest === undefined || table.images[manifest]?.id !== id) return;
  if (!Object.values(table.names).some((entry) => entry.manifest === manifest)) delete table.images[manifest];
}

/** `docker.io/library/alpine:latest` with its digest instead of its tag. */
function withDigest(name: string, digest: string): string {
  const { domain, path } = parseReference(name);
  return formatReference({ domain, path, digest });
}

/** A full name as people write it: `docker.io/library/alpine:latest` → `alpine:latest`. */
export function familiar(name: string): string {
  return familiarReference(parseReference(name));
}
