/**
 * The image store: `ROOT/images`. Content-addressed, shared by every mini command, changed only by rename.
 *
 *   blobs/sha256/HEX     what registries send: manifests, configurations, compressed layers, by digest
 *   ingest/sha256-HEX    a blob on its way, kept so that an interrupted pull resumes; locked while somebody writes it
 *   layers/HEX/          an unpacked layer, by its diff ID; never written again
 *   layers/.tmp-X/       a layer on its way; locked while somebody writes it
 *   leases/X             digests that a running command needs and nothing names yet; locked while it runs
 *   names.json           which images there are and what they are called
 *   lock                 held for an instant by who changes names.json or takes a lease, and by the garbage collection
 *
 * A lock is an flock(2), which the kernel drops with the process. So `kill -9` at any moment leaves files that nobody
 * locks, and {@linkcode Store.gc} removes those; nothing half-made ever has a final name.
 */
import { AT_FDCWD, LOCK_EX, LOCK_SH, O_CREAT, O_RDWR } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { Blobs } from "./blobs.ts";
import type { GcOptions, GcResult } from "./gc.ts";
import { Layers } from "./layers.ts";
import { Lease } from "./lease.ts";
import { type ImageRecord, Names } from "./names.ts";
import { type ImageConfig, Limits, type Manifest, parseImageConfig, parseManifest } from "./types.ts";

/** An image as `mini run` needs it. */
export interface Image {
  /** Digest of the configuration: what Docker calls the image ID. */
  id: string;
  config: ImageConfig;
  /** Absolute paths of the unpacked layers, the bottom one first. */
  layers: string[];
  /** Digests of the layers' tar archives in the same order: what a container's record keeps as `layers`. */
  diffIDs: string[];
  manifestDigest: string;
  /** Every full name of this image: `docker.io/library/alpine:latest`. */
  names: string[];
}

/** The image store below `root`, for example `/var/lib/mini`. Makes its folders when something is first written. */
export class Store {
  /** Where it is: `ROOT/images`. */
  readonly folder: string;
  readonly blobs: Blobs;
  readonly layers: Layers;
  readonly images: Names;

  constructor(readonly root: string) {
    if (!root.startsWith("/")) throw new MiniError(`the folder for images must be an absolute path, not ${root}`);
    this.folder = `${root}/images`;
    this.blobs = new Blobs(this);
    this.layers = new Layers(this);
    this.images = new Names(this);
  }

  /** Makes the store's folders. Cheap when they are there. */
  prepare(): void {
    for (const name of ["blobs/sha256", "blobs/sha512", "ingest", "layers", "leases"]) {
      Deno.mkdirSync(`${this.folder}/${name}`, { recursive: true, mode: 0o700 });
    }
  }

  /**
   * Takes the store's lock until disposed of; waits for it, which takes an instant, since nobody holds it for long.
   * Shared keeps the garbage collection out: hold it from looking up an image until the container that uses its layers
   * has been written down (`using _ = store.lock("shared")`).
   */
  lock(kind: "shared" | "exclusive"): Disposable {
    const path = `${this.folder}/lock`;
    const open = () => syscall("openat", AT_FDCWD, path, O_RDWR | O_CREAT | 0o2000000, 0o600);
    let fd: number;
    try {
      fd = open();
    } catch {
      this.prepare(); // the first use of this store
      fd = open();
    }
    syscall("flock", fd, kind === "shared" ? LOCK_SH : LOCK_EX);
    return { [Symbol.dispose]: () => close(fd) };
  }

  /** A lease: what is added to it stays in the store until the lease is released or its process ends. */
  lease(): Lease {
    return Lease.create(this);
  }

  /**
   * The image that a name or the beginning of an ID stands for, as a container needs it.
   *
   * @throws {MiniError} if there is none, if it is ambiguous, or if one of its layers is missing.
   */
  image(reference: string): Image {
    const record = this.images.resolve(reference);
    if (record === undefined) throw new MiniError(`No such image: ${reference}; pull it first`);
    const config = this.config(record);
    const diffIDs = config.rootfs.diff_ids;
    for (const diffID of diffIDs) {
      if (!this.layers.has(diffID)) {
        throw new MiniError(`the image ${reference} has lost its layer ${diffID}; remove it and pull it again`);
      }
    }
    return {
      id: record.id,
      config,
      layers: diffIDs.map((diffID) => this.layers.path(diffID)),
      diffIDs,
      manifestDigest: record.manifest,
      names: this.images.namesOf(record),
    };
  }

  /** The configuration of an image of this store. */
  config(record: ImageRecord): ImageConfig {
    return parseImageConfig(this.blobs.read(record.id, Limits.configBytes), `the configuration ${record.id}`);
  }

  /** The manifest of an image of this store. */
  manifest(record: ImageRecord): Manifest {
    return parseManifest(this.blobs.read(record.manifest, Limits.manifestBytes), `the manifest ${record.manifest}`);
  }

  /** Removes what no image, container or lease needs, and what interrupted commands left. See gc.ts. */
  async gc(options: GcOptions = {}): Promise<GcResult> {
    return (await import("./gc.ts")).collectGarbage(this, options);
  }
}
