/**
 * Copies files into and out of containers. Both ends are held by descriptors before anything is read or written; on the way
 * no name is looked up but in a folder that is open, and no link is followed. So whatever a container changes meanwhile, the
 * copy stays in the folders that were meant (CVE-2018-15664).
 */
import * as K from "../../ffi/constants.ts";
import { Errno, errnoMeaning, MiniError, SyscallError } from "../../ffi/errors.ts";
import { statAt } from "../../ffi/file_info.ts";
import { type TarEntry, TarReader, type TarSink } from "../../images/tar.ts";
import { ArchiveWriter, type Output } from "../../images/tar_tree.ts";
import { joinBytes, type TreeEntry, type TreeSink, type WalkOptions, walkTree } from "../../images/tree_walk.ts";
import { Unpacker, type UnpackerOptions } from "../../images/unpack.ts";
import { inflate } from "../../images/unpack_inflate.ts";
import { cleanPath } from "../../images/unpack_path.ts";
import type { IdMaps } from "../userns.ts";
import { asInside, asOutside, makeFilesAs, through } from "./ids.ts";
import { ownedBy, type Owners } from "./owners.ts";
import type { Place, Source } from "./paths.ts";

/** What goes with every copy. */
export interface CopyOptions {
  /** Told of the bytes that an archive of what is copied would have so far. */
  readonly onProgress?: (bytes: number) => void;
  /** The ids of the user namespace that it comes from, and of the one that it goes to, where there is one. */
  readonly from?: IdMaps | undefined;
  readonly to?: IdMaps | undefined;
  /** Asked now and then whether to go on; it throws what is to be told if not. */
  readonly check?: () => void;
}

/** What was copied. */
export interface Copied {
  /** Bytes of an archive of it. */
  readonly bytes: number;
  readonly sockets: number;
  /** Devices that were left out. */
  readonly devices: number;
}

/** Bytes of a header in an archive, to which contents are filled up, and of the mark at its end. */
const BLOCK = 512, END_BYTES = 1024;
const encoder = new TextEncoder(), latin1 = new TextDecoder("latin1");

/** Names are not held back by what an image may have. */
const NO_LIMITS = { entries: Infinity, bytes: Infinity };
const OPTIONS: UnpackerOptions = { limits: NO_LIMITS, whiteouts: false, inUse: true };

/**
 * Copies a file or folder to a place.
 *
 * @throws {MiniError} where something is in the way. @throws {SyscallError} when something cannot be read or written.
 */
export async function copyTree(source: Source, place: Place, owners: Owners, options: CopyOptions): Promise<Copied> {
  refuseSocket(source);
  const unpacker = new Unpacker(place.folder, { ...OPTIONS, keepFolders: !owners.archive });
  const sink = new Adapter(numbered(unpacker, options), owners, options);
  using _ = options.to && makeFilesAs(options.to);
  const { device, ino } = statAt(place.folder, "");
  try {
    const sockets = await walk(source, encoder.encode(place.name), sink, options, (info, path) => {
      if (info.device === device && info.ino === ino && path.length > 0) {
        throw new MiniError("a folder cannot be copied into itself: where the copy goes is a part of what is copied");
      }
    });
    unpacker.finish();
    return { bytes: sink.bytes + END_BYTES, sockets, devices: sink.devices };
  } finally {
    unpacker.close();
  }
}

/** Writes a file or folder as an archive, everything as it is. @throws as {@linkcode copyTree} does. */
export async function copyToArchive(source: Source, output: Output, options: CopyOptions): Promise<Copied> {
  refuseSocket(source);
  let bytes = 0;
  const archive = new ArchiveWriter((piece) => {
    bytes += piece.length;
    options.onProgress?.(bytes);
    return output(piece);
  });
  const sockets = await walk(source, encoder.encode(source.name), archive, options);
  await archive.end();
  return { bytes, sockets, devices: 0 };
}

/**
 * Unpacks an archive, plain or compressed, into a folder. Links that are there are followed as the container does, and the
 * last part of a name never is.
 *
 * @param path the folder, below `root`. @throws {MiniError} for an archive that is damaged or leads out of the folder.
 */
export async function copyFromArchive(
  archive: AsyncIterable<Uint8Array>,
  root: number,
  path: string,
  options: CopyOptions,
): Promise<Copied> {
  const what = "the archive on standard input";
  const unpacker = new Unpacker(root, OPTIONS);
  using _ = options.to && makeFilesAs(options.to);
  const tar = new TarReader(new Below(numbered(unpacker, options), cleanPath(encoder.encode(path)), options), what);
  let bytes = 0;
  const counted = async function* () {
    for await (const chunk of archive) {
      bytes += chunk.length;
      options.onProgress?.(bytes);
      yield chunk;
    }
  };
  try {
    await inflate(counted(), (chunk) => tar.write(chunk), what);
    tar.end();
    unpacker.finish();
    return { bytes, sockets: 0, devices: 0 };
  } catch (error) {
    if (!(error instanceof MiniError) || error.message.includes(what)) throw error;
    throw new MiniError(`${what} is refused: ${error.message}`, undefined, { cause: error });
  } finally {
    unpacker.close();
  }
}

/** A sink whose files get the ids that they have on the host. */
const numbered = (sink: TarSink, { to }: CopyOptions): TarSink =>
  to ? through(sink, (entry) => asOutside(to, entry)) : sink;

function refuseSocket({ info, name }: Source): void {
  if ((info.mode & K.S_IFMT) === K.S_IFSOCK) {
    throw new MiniError(`${name} is a socket, which cannot be copied: only the program that made it can`);
  }
}

async function walk(
  { fd }: Source,
  name: Uint8Array,
  sink: TreeSink,
  { from }: CopyOptions,
  onFolder?: WalkOptions["onFolder"],
): Promise<number> {
  let sockets = 0;
  await walkTree(fd, from ? through(sink, (entry) => asInside(from, entry)) : sink, {
    name,
    withoutKernel: true,
    onSocket: () => void sockets++,
    ...(onFolder && { onFolder }),
  });
  return sockets;
}

/** Gives what a walk finds its new owners, counts it, and leaves out what is not to be made. */
class Adapter implements TreeSink {
  bytes = 0;
  devices = 0;
  private readonly leftOut = new Set<string>();

  constructor(private readonly sink: TarSink, private readonly owners: Owners, private readonly options: CopyOptions) {}

  entry(entry: TreeEntry): void {
    this.options.check?.();
    this.count(BLOCK);
    const owned = this.leftOut.has(latin1.decode(entry.linkPath)) && entry.type === "hardlink"
      ? undefined
      : ownedBy(this.owners, entry);
    if (owned === undefined) {
      this.leftOut.add(latin1.decode(entry.path));
      this.devices++;
    } else if (entry.path.length > 0 || this.owners.archive) {
      // A folder whose contents are copied into one that is there leaves that one as it is.
      this.sink.entry(owned);
    }
  }

  data(bytes: Uint8Array, offset: number): void {
    this.count(Math.ceil(bytes.length / BLOCK) * BLOCK);
    this.sink.data(bytes, offset);
  }

  endOfFile(): void {
    this.sink.endOfFile();
  }

  private count(bytes: number): void {
    this.bytes += bytes;
    this.options.onProgress?.(this.bytes);
  }
}

/** Puts all of an archive below a folder. */
class Below implements TarSink {
  constructor(
    private readonly sink: TarSink,
    private readonly folder: Uint8Array,
    private readonly options: CopyOptions,
  ) {}

  entry(entry: TarEntry): void {
    this.options.check?.();
    const below = (path: Uint8Array) => joinBytes(this.folder, cleanPath(path));
    const path = cleanPath(entry.path);
    this.sink.entry({
      ...entry,
      path: path.length === 0 ? this.folder : below(path),
      ...(entry.type === "hardlink" && { linkPath: below(entry.linkPath) }),
    });
  }

  data(bytes: Uint8Array, offset: number): void {
    this.sink.data(bytes, offset);
  }

  endOfFile(): void {
    this.sink.endOfFile();
  }
}

/** What to say of a system call that failed on the way. */
export function explainCopy(error: unknown, from: string, to: string): unknown {
  if (!(error instanceof SyscallError)) return error;
  const say = (sentence: string) => new MiniError(sentence, undefined, { cause: error });
  switch (error.errno) {
    case Errno.EROFS:
      return say(`${to} cannot be written: a part of it is on a file system that is read-only (${error.path ?? ""})`);
    case Errno.ENOSPC:
    case Errno.EDQUOT:
      return say(`there is no room left for all of ${from} in ${to}: ${errnoMeaning(error.errno)}`);
  }
  return say(`${from} cannot be copied to ${to}: ${error.message}`);
}
