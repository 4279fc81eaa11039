/** `mini cp`: from one end to the other, each the host's files, a container's, or an archive. */
import { close } from "../../ffi/kernel.ts";
import { MiniError } from "../../ffi/errors.ts";
import { fileSystemOf, statAt } from "../../ffi/file_info.ts";
import { S_IFDIR, S_IFMT } from "../../ffi/constants.ts";
import type { Output } from "../../images/tar_tree.ts";
import type { Containers, Found } from "../containers.ts";
import { type Copied, copyFromArchive, type CopyOptions, copyToArchive, copyTree, explainCopy } from "./copy.ts";
import { type Inside, openInside, type Purpose } from "./inside.ts";
import { containerSide, type Destination, findDestination, findSource, hostSide, placeOf, type Side } from "./paths.ts";

/** One end of a copy. */
export interface End {
  /** Without one the path is the host's. */
  readonly container?: Found;
  readonly path: string;
}

export interface CopyRequest {
  /** An archive is read instead of a source, or written instead of a destination. */
  readonly from: End | AsyncIterable<Uint8Array>;
  readonly to: End | { readonly output: Output };
  /** Everything keeps its owner, its powers, its times; devices are copied too. */
  readonly archive: boolean;
  /** A link as the source stands for what it points to. */
  readonly follow: boolean;
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Copies files.
 *
 * @throws {MiniError} for what cannot be copied. What was copied until then stays; nothing else is left behind.
 */
export async function copy(containers: Containers, request: CopyRequest): Promise<Copied> {
  if (Deno.uid() !== 0) throw new MiniError("copying from and to containers needs root: run it with sudo");
  const { from, to } = request;
  const opened: Inside[] = [];
  const sideOf = async ({ container }: End, purpose: Purpose): Promise<Side & { inside?: Inside }> => {
    if (container === undefined) return hostSide;
    const inside = await openInside(containers, container, purpose);
    opened.push(inside);
    return { ...containerSide(inside.root, container.record.name), inside };
  };
  const shown = (end: CopyRequest["from"] | CopyRequest["to"]) =>
    !("path" in end) ? "-" : end.container ? `${end.container.record.name}:${end.path}` : end.path;
  try {
    const target = "path" in to ? { ...to, side: await sideOf(to, "write") } : undefined;
    const options: CopyOptions = {
      ...(request.onProgress && { onProgress: request.onProgress }),
      ...(target?.side.inside && { check: () => target.side.inside!.check() }),
    };
    const source = "path" in from ? { ...from, side: await sideOf(from, "read") } : undefined;
    const ids = { from: source?.side.inside?.idMaps, to: target?.side.inside?.idMaps };
    const copied = source
      ? await copyFiles(source, target, request, { ...options, ...ids })
      : await unpackInto(target!, from as AsyncIterable<Uint8Array>, { ...options, ...ids });
    await stillThere(containers, [from, to]);
    return copied;
  } catch (error) {
    await stillThere(containers, [from, to]);
    throw explainCopy(error, shown(from), shown(to));
  } finally {
    for (const inside of opened) inside.close();
  }
}

type OpenEnd = End & { readonly side: Side & { readonly inside?: Inside } };

async function copyFiles(
  from: OpenEnd,
  target: OpenEnd | undefined,
  { to, archive, follow }: CopyRequest,
  options: CopyOptions,
): Promise<Copied> {
  const source = findSource(from.side, from.path, follow);
  try {
    if (target === undefined) return await copyToArchive(source, (to as { output: Output }).output, options);
    const destination = findDestination(target.side, target.path);
    try {
      checkWritable(target, destination);
      const isFolder = (source.info.mode & S_IFMT) === S_IFDIR;
      const place = placeOf(isFolder, source.name, destination, target.side.show(target.path));
      const owner = target.container ? { uid: 0, gid: 0 } : { uid: Deno.uid()!, gid: Deno.gid()! };
      const into = target.container ? "container" : "host";
      return await copyTree(source, place, { archive, into, ...owner }, options);
    } finally {
      close(folderOf(destination));
    }
  } finally {
    close(source.fd);
  }
}

async function unpackInto(target: OpenEnd, archive: AsyncIterable<Uint8Array>, options: CopyOptions): Promise<Copied> {
  const destination = findDestination(target.side, target.path);
  try {
    if (destination.kind !== "folder") {
      const why = destination.kind === "file" ? "is a file" : "is not there";
      throw new MiniError(`an archive is unpacked into a folder, and ${target.side.show(target.path)} ${why}`);
    }
    checkWritable(target, destination);
    return await copyFromArchive(archive, target.side.inside!.root, target.path, options);
  } finally {
    close(folderOf(destination));
  }
}

const folderOf = (destination: Destination) => destination.kind === "folder" ? destination.fd : destination.parent;

/** Says at once, and in a container's own terms, that nothing can be written. */
function checkWritable({ side, path }: OpenEnd, destination: Destination): void {
  const folder = folderOf(destination);
  // A file that is mounted alone may be writable in a folder that is not, and its name cannot be looked at but by opening it.
  if (destination.kind === "file" || !fileSystemOf(folder).readonly) return;
  const root = side.inside?.root;
  const what = root === undefined
    ? "a file system that is mounted read-only"
    : statAt(root, "").device === statAt(folder, "").device
    ? "the container's root file system, which is read-only"
    : "a volume that is mounted read-only";
  throw new MiniError(`${side.show(path)} cannot be written: it is on ${what}`);
}

/** A container that is removed takes its files along one by one, so that a copy lacks some without a failure. */
async function stillThere(containers: Containers, ends: readonly (CopyRequest["from"] | CopyRequest["to"])[]) {
  for (const end of ends) {
    if (!("path" in end) || end.container === undefined) continue;
    const { id, name } = end.container.record;
    if (await containers.find(id) === undefined) {
      throw new MiniError(`container ${name} was removed while it was copied, so that not everything was`);
    }
  }
}
