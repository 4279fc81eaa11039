/** Images for tests, made of busybox and files of any size, as OCI layout folders that skopeo copies from. */
import { digestOf } from "../../images/digest.ts";
import { MediaType } from "../../images/types.ts";
import { run } from "./server.ts";

/** One layer: files by path, or `busybox` for a root filesystem that runs. */
export type LayerContent = "busybox" | Record<string, string | Uint8Array>;

/** How an image is to be. */
export interface ImageOptions {
  readonly layers: readonly LayerContent[];
  readonly compression?: "gzip" | "zstd" | "none";
  readonly architecture?: string;
  readonly variant?: string;
  /** Added to the configuration, so that two images differ. */
  readonly env?: readonly string[];
}

/** A descriptor as it stands in a document. */
export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { os: string; architecture: string; variant?: string };
  annotations?: Record<string, string>;
}

/** An OCI layout folder that is being filled; to be removed by who made the folder. */
export class Layout {
  constructor(readonly folder: string) {}

  /** Makes an empty layout. */
  static async create(folder: string): Promise<Layout> {
    await Deno.mkdir(`${folder}/blobs/sha256`, { recursive: true });
    await Deno.writeTextFile(`${folder}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
    return new Layout(folder);
  }

  /** Keeps bytes under their digest. */
  async blob(mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
    const digest = await digestOf(bytes);
    await Deno.writeFile(`${this.folder}/blobs/sha256/${digest.slice(7)}`, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  async json(mediaType: string, value: unknown): Promise<Descriptor> {
    return await this.blob(mediaType, new TextEncoder().encode(JSON.stringify(value)));
  }

  /** Makes an image's layers, configuration and manifest; returns the manifest's descriptor. */
  async image(options: ImageOptions): Promise<Descriptor & { config: Descriptor; layers: Descriptor[] }> {
    const layers: Descriptor[] = [], diffIDs: string[] = [];
    for (const content of options.layers) {
      const tar = await layerTar(content);
      diffIDs.push(await digestOf(tar));
      layers.push(await this.blob(...await compress(tar, options.compression ?? "gzip")));
    }
    const { architecture = "amd64", variant, env = [] } = options;
    const platform = { os: "linux", architecture, ...(variant ? { variant } : {}) };
    const config = await this.json(MediaType.ociConfig, {
      ...platform,
      config: { Env: ["PATH=/bin", ...env], Cmd: ["sh"] },
      rootfs: { type: "layers", diff_ids: diffIDs },
      history: options.layers.map((_, i) => ({ created_by: `layer ${i}` })),
    });
    const manifest = { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers };
    return { ...await this.json(MediaType.ociManifest, manifest), platform, config, layers };
  }

  /** Makes an index of manifests. */
  async index(manifests: readonly Descriptor[]): Promise<Descriptor> {
    const entries = manifests.map(({ mediaType, digest, size, platform }) => ({ mediaType, digest, size, platform }));
    return await this.json(MediaType.ociIndex, { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: entries });
  }

  /** Gives one descriptor the name `latest`, by which skopeo finds it. */
  async tag(descriptor: Descriptor): Promise<void> {
    const { mediaType, digest, size } = descriptor;
    const entry = { mediaType, digest, size, annotations: { "org.opencontainers.image.ref.name": "latest" } };
    await Deno.writeTextFile(`${this.folder}/index.json`, JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  }

  /** Copies what is tagged to a registry, by skopeo. */
  async push(host: string, name: string, options: readonly string[] = ["--dest-tls-verify=false"]): Promise<void> {
    await run("skopeo", [
      "--insecure-policy",
      "copy",
      "--all",
      "--preserve-digests",
      "-q",
      ...options,
      `oci:${this.folder}:latest`,
      `docker://${host}/${name}`,
    ]);
  }
}

/** A layer's tar archive. */
async function layerTar(content: LayerContent): Promise<Uint8Array> {
  const folder = await Deno.makeTempDir({ prefix: "mini-layer-" });
  try {
    if (content === "busybox") {
      for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp", "root"]) await Deno.mkdir(`${folder}/${name}`);
      await Deno.copyFile("/bin/busybox", `${folder}/bin/busybox`);
      for (const name of ["sh", "cat", "ls", "true", "echo", "sleep"]) {
        await Deno.symlink("busybox", `${folder}/bin/${name}`);
      }
    } else {
      for (const [path, text] of Object.entries(content)) {
        await Deno.mkdir(`${folder}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
        await Deno.writeFile(`${folder}/${path}`, typeof text === "string" ? new TextEncoder().encode(text) : text);
      }
    }
    const tar = `${folder}.tar`;
    await run("tar", [
      "-cf",
      tar,
      "--sort=name",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--mtime=@0",
      "-C",
      folder,
      ".",
    ]);
    const bytes = await Deno.readFile(tar);
    await Deno.remove(tar);
    return bytes;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function compress(
  tar: Uint8Array,
  how: "gzip" | "zstd" | "none",
): Promise<[mediaType: string, bytes: Uint8Array]> {
  const zlib = await import("node:zlib");
  if (how === "gzip") return [MediaType.ociLayerGzip, new Uint8Array(zlib.gzipSync(tar, { level: 6 }))];
  if (how === "zstd") return [MediaType.ociLayerZstd, new Uint8Array(zlib.zstdCompressSync(tar))];
  return [MediaType.ociLayer, tar];
}

/** Bytes that do not compress, the same each time for a seed. */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, length >> 2);
  let x = seed * 2654435761 >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return bytes;
}
