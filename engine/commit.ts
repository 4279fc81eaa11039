/** `mini commit`: what a container has become is an image, its changes one more layer on those of its own image. */
import { AT_FDCWD, O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { closeFd, openat, read, writeAll } from "../ffi/files.ts";
import { readyForPaths } from "../ffi/open.ts";
import { close } from "../ffi/kernel.ts";
import { op } from "../ffi/program.ts";
import { spawn, waitForExit } from "../ffi/spawn.ts";
import { createHasher } from "../images/digest.ts";
import { explainFullDisk } from "../images/file_lock.ts";
import { isOpaque, writeLayer } from "../images/layer_write.ts";
import { makeImage, type StoredLayer } from "../images/make_image.ts";
import { parseReference } from "../images/reference.ts";
import { removeTree } from "../images/remove_tree.ts";
import { Store } from "../images/store.ts";
import type { TreeEntry } from "../images/tree_walk.ts";
import { type ContainerConfig, Limits, MediaType } from "../images/types.ts";
import { makeTemporary } from "../images/unpack_layer.ts";
import { isFrozen } from "../runtime/cgroup.ts";
import { freeze } from "../runtime/cgroup_freeze.ts";
import { makePair } from "../runtime/handshake.ts";
import { Changes } from "./changes.ts";
import { imageConfigOf } from "./commit_config.ts";
import type { Containers, Found } from "./containers.ts";
import { emitContainer } from "./events.ts";

export interface CommitOptions {
  /** What the image is called; without it it has only an id. */
  readonly name?: string | undefined;
  readonly author?: string | undefined;
  /** What its history says. */
  readonly message?: string | undefined;
  /** Lines as in a Dockerfile. */
  readonly changes: readonly string[];
  /** Nothing in the container runs while its changes are read. */
  readonly pause: boolean;
}

/**
 * Makes an image of a container. What is mounted in it, volumes among them, is not part of it.
 *
 * @returns its id. @throws {MiniError} when its own image is not here any more, or a change is malformed. Nothing is kept then.
 */
export async function commit(containers: Containers, found: Found, options: CommitOptions): Promise<string> {
  const { record, running } = found, store = new Store(containers.root);
  if (options.name !== undefined && parseReference(options.name).digest !== undefined) {
    throw new MiniError(`an image cannot be given the name ${options.name}: a digest is what an image has by itself`);
  }
  using lease = store.lease();
  const base = baseImage(store, found);
  lease.add(...base.layers.map(({ descriptor }) => descriptor.digest));
  await readyForPaths();
  const config = imageConfigOf(containers, record, base.config.config ?? {}, options.changes);
  const temporary = makeTemporary(store);
  try {
    const plain = `${temporary.path}/layer.tar`, packed = `${plain}.gz`;
    const pack = () => archiveChanges(containers, found, plain);
    const diffID = options.pause && running?.cgroup ? await whileFrozen(running.cgroup, pack) : await pack();
    if (await containers.find(record.id) === undefined) {
      throw new MiniError(`container ${record.name} was removed while it was read, so no image was made`);
    }
    const descriptor = await compress(plain, packed);
    Deno.removeSync(plain);
    lease.add(descriptor.digest);
    store.blobs.adopt(packed, descriptor.digest);
    const created = new Date().toISOString(), { author } = options;
    const document = {
      ...base.config,
      created,
      author,
      config,
      rootfs: { type: "layers", diff_ids: [...base.layers.map((layer) => layer.diffID), diffID] },
      history: [...base.config.history ?? [], {
        created,
        created_by: record.config.cmd.join(" "),
        ...(author !== undefined && { author }),
        ...(options.message !== undefined && { comment: options.message }),
      }],
    };
    const bytes = new TextEncoder().encode(JSON.stringify(document));
    const layers = [...base.layers, { descriptor, diffID }];
    const manifest = await makeImage(store, lease, bytes, layers, options.name === undefined ? [] : [options.name]);
    const { id } = store.images.resolve(manifest)!;
    emitContainer(containers.state, record, "commit", { imageID: id, imageRef: options.name ?? "" });
    return id;
  } catch (error) {
    throw explainFullDisk(error, store.folder);
  } finally {
    removeTree(temporary.path);
    closeFd(temporary.fd);
  }
}

/** A configuration with all that it says, fields that nobody here knows among them. */
interface RawConfig {
  config?: ContainerConfig;
  history?: unknown[];
}

/** The image that a container was made of. @throws {MiniError} when it is not here. */
function baseImage(store: Store, { record }: Found): { config: RawConfig; layers: StoredLayer[] } {
  const image = record.imageId === undefined ? undefined : store.images.resolve(record.imageId);
  if (image === undefined) {
    throw new MiniError(
      record.layers.length === 0
        ? `container ${record.name} has no image but the folder ${record.image}: 'mini export' and 'mini import' make one`
        : `the image ${record.image} that container ${record.name} was made of is not here any more; pull it again`,
    );
  }
  const { layers } = store.manifest(image), { rootfs } = store.config(image);
  for (const { digest } of layers) {
    if (!store.blobs.has(digest)) {
      throw new MiniError(`the image ${record.image} has lost its layer ${digest}; pull it again`);
    }
  }
  const text = new TextDecoder().decode(store.blobs.read(image.id, Limits.configBytes));
  return {
    config: JSON.parse(text),
    layers: layers.map((descriptor, i) => ({
      descriptor: { ...descriptor, mediaType: OCI_TYPES[descriptor.mediaType] ?? descriptor.mediaType },
      diffID: rootfs.diff_ids[i]!,
    })),
  };
}

/** The manifest that is made is one of OCI. */
const OCI_TYPES: Record<string, string> = {
  [MediaType.dockerLayer]: MediaType.ociLayer,
  [MediaType.dockerLayerGzip]: MediaType.ociLayerGzip,
  [MediaType.dockerLayerZstd]: MediaType.ociLayerZstd,
};

/** Writes a container's changes to an archive; its digest. */
async function archiveChanges(containers: Containers, { record }: Found, path: string): Promise<string> {
  using changes = Changes.open(containers, record);
  const hasher = await createHasher();
  const file = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  try {
    await writeLayer(changes.upper, (bytes) => {
      hasher.update(bytes);
      writeAll(file, bytes);
    }, {
      withRoot: isChangedRoot,
      leaveOut: (fd, info, path) => changes.isOurs(fd, info, path),
    });
  } finally {
    closeFd(file);
  }
  return hasher.digest();
}

/** Whether the upper folder itself is not any more as it is made for every container. */
const isChangedRoot = (root: TreeEntry) =>
  root.mode !== 0o755 || root.uid !== 0 || root.gid !== 0 || isOpaque(root) ||
  root.xattrs.some(([name]) => /^(user\.|system\.posix_acl)/.test(name) && !name.startsWith("user.overlay."));

/** Bytes that are read, and compressed, at a time. */
const PIECE = 1024 * 1024;

/** Compresses a file into another; what that is as a blob. */
async function compress(from: string, to: string): Promise<StoredLayer["descriptor"]> {
  const input = openat(AT_FDCWD, from, O_RDONLY);
  try {
    const output = openat(AT_FDCWD, to, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    try {
      const hasher = await createHasher();
      const plain = new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull(controller) {
          const buffer = new Uint8Array(PIECE), count = read(input, buffer);
          if (count === 0) controller.close();
          else controller.enqueue(buffer.subarray(0, count));
        },
      });
      let size = 0;
      for await (const chunk of plain.pipeThrough(new CompressionStream("gzip"))) {
        hasher.update(chunk);
        writeAll(output, chunk);
        size += chunk.length;
      }
      return { mediaType: MediaType.ociLayerGzip, digest: hasher.digest(), size };
    } finally {
      closeFd(output);
    }
  } finally {
    closeFd(input);
  }
}

/**
 * Does something while everything in a cgroup stands still. Whatever becomes of this process, kill -9 too, it goes on after
 * that: a program of a few kilobytes waits for our end of a pair to close.
 */
async function whileFrozen<T>(folder: string, body: () => Promise<T>): Promise<T> {
  if (isFrozen(folder)) return await body(); // paused by hand, and it stays so
  const [ours, theirs] = makePair();
  let guard: ReturnType<typeof spawn>;
  try {
    const control = openat(AT_FDCWD, `${folder}/cgroup.freeze`, O_WRONLY);
    try {
      guard = spawn([
        op("read", [theirs, { cell: "end", size: 8 }, 1], "until mini has read what it wants, or is gone"),
        op("write", [control, "0", 1], "go on"),
        op("exit_group", [0], "done"),
      ], { pass: [theirs, control] });
    } finally {
      closeFd(control);
    }
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    close(theirs);
  }
  try {
    await freeze(folder, true);
    return await body();
  } finally {
    close(ours);
    waitForExit(guard.pidfd);
    close(guard.pidfd);
    guard.results.close();
  }
}
