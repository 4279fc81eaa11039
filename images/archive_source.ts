/** Where an archive's files are looked up by name: a tar archive spooled to disk, or an OCI layout folder. */
import { O_CREAT, O_EXCL, O_WRONLY } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { closeFd, openat, writeAll } from "../ffi/files.ts";
import { explainFullDisk } from "./file_lock.ts";
import { removeTree } from "./remove_tree.ts";
import type { Store } from "./store.ts";
import { type TarEntry, TarReader, type TarSink } from "./tar.ts";
import { inflate } from "./unpack_inflate.ts";
import { makeTemporary } from "./unpack_layer.ts";
import { cleanPath, shortPath } from "./unpack_path.ts";

export interface ArchiveSource extends Disposable {
  /** The path of a file that is named so in the archive; undefined if there is none. */
  find(name: string): string | undefined;
  /** Whether the files may be moved away. */
  readonly isTemporary: boolean;
}

/** Entries of an archive of images: each image has a few dozen at most. */
const MAX_ENTRIES = 100_000;
/** Links from one name to another that are followed; old versions of Docker write one for each shared layer. */
const MAX_LINKS = 10;

/** An OCI layout folder. */
export function openFolder(path: string): ArchiveSource {
  return {
    isTemporary: false,
    find(name) {
      try {
        return Deno.statSync(`${path}/${name}`).isFile ? `${path}/${name}` : undefined;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
    [Symbol.dispose]() {},
  };
}

/**
 * Reads a whole tar archive, plain or compressed, into a temporary folder of the store, since the list of what it holds
 * may come last. Disposing of it removes the folder.
 *
 * @throws {MiniError} if it is no tar archive; SyscallError, for example if the disk is full.
 */
export async function spoolArchive(
  store: Store,
  source: AsyncIterable<Uint8Array>,
  what: string,
): Promise<ArchiveSource> {
  const { path, fd } = makeTemporary(store);
  const dispose = () => {
    removeTree(path);
    closeFd(fd);
  };
  const spool = new Spool(fd);
  try {
    const reader = new TarReader(spool, what);
    await inflate(source, (bytes) => reader.write(bytes), what);
    reader.end();
  } catch (error) {
    dispose();
    throw explainFullDisk(error, path);
  } finally {
    spool.close();
  }
  return {
    isTemporary: true,
    find(name) {
      const number = spool.find(name);
      return number === undefined ? undefined : `${path}/${number}`;
    },
    [Symbol.dispose]: dispose,
  };
}

/** Files under numbers, so that no name of the archive is ever a name on the disk. */
class Spool implements TarSink {
  private readonly files = new Map<string, number>();
  private readonly links = new Map<string, string>();
  private count = 0;
  private file = -1;

  constructor(private readonly folder: number) {}

  find(name: string): number | undefined {
    for (let i = 0; i < MAX_LINKS; i++) {
      const number = this.files.get(name);
      if (number !== undefined) return number;
      const target = this.links.get(name);
      if (target === undefined) return undefined;
      name = target;
    }
    return undefined;
  }

  entry(entry: TarEntry): void {
    if (++this.count > MAX_ENTRIES) throw new MiniError(`the archive has more than ${MAX_ENTRIES} entries`);
    const name = textOf(cleanPath(entry.path));
    if (entry.type === "file") {
      this.close();
      this.file = openat(this.folder, String(this.count), O_WRONLY | O_CREAT | O_EXCL, 0o600);
      this.files.set(name, this.count);
    } else if (entry.type === "symlink" || entry.type === "hardlink") {
      const folder = entry.type === "symlink" ? name.slice(0, name.lastIndexOf("/") + 1) : "";
      this.links.set(name, textOf(cleanPath(new TextEncoder().encode(folder + textOf(entry.linkPath)))));
    }
  }

  data(bytes: Uint8Array): void {
    writeAll(this.file, bytes);
  }

  endOfFile(): void {
    this.close();
  }

  close(): void {
    if (this.file >= 0) closeFd(this.file);
    this.file = -1;
  }
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new MiniError(`the archive has an entry ${shortPath(bytes)}, whose name is not UTF-8`);
  }
}
