/** A registry in the test itself, on loopback, whose answers a test can spoil. */
import { digestOf } from "../../images/digest.ts";
import { MediaType } from "../../images/types.ts";

/** What a test does in place of the usual answer; undefined for the usual one. */
export type Spoil = (request: Request, url: URL, seen: number) => Response | undefined | Promise<Response | undefined>;

/** One request as it came. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
}

/** A registry that runs. */
export interface FakeRegistry extends AsyncDisposable {
  readonly host: string;
  readonly seen: Seen[];
  /** Serves bytes as a blob; returns their descriptor. */
  blob(mediaType: string, bytes: Uint8Array): Promise<{ mediaType: string; digest: string; size: number }>;
  /** Serves a manifest under its digest and a tag. */
  manifest(
    mediaType: string,
    value: unknown,
    tag?: string,
  ): Promise<{ mediaType: string; digest: string; size: number }>;
  /** Serves an image of layers (plain tar archives) under a tag. */
  image(
    tag: string,
    tars: readonly Uint8Array<ArrayBuffer>[],
  ): Promise<{ digest: string; config: string; layers: string[] }>;
}

/** Starts one. `hostname` may be `0.0.0.0`, which is reached like loopback but is not what anybody calls so. */
export function fakeRegistry(spoil: Spoil = () => undefined, hostname = "127.0.0.1"): FakeRegistry {
  const content = new Map<string, { mediaType: string; bytes: Uint8Array<ArrayBuffer> }>();
  const seen: Seen[] = [];
  const server = Deno.serve({ hostname, port: 0, onListen() {}, onError }, async (request) => {
    const url = new URL(request.url);
    seen.push({ method: request.method, path: url.pathname, headers: request.headers });
    const count = seen.filter(({ path }) => path === url.pathname).length;
    const spoiled = await spoil(request, url, count);
    if (spoiled) return spoiled;
    const found = /^\/v2\/.+\/(?:manifests|blobs)\/([^/]+)$/.exec(url.pathname);
    const entry = found && content.get(found[1]!);
    if (!entry) {
      return Response.json({ errors: [{ code: "UNKNOWN", message: "unknown to the fake" }] }, { status: 404 });
    }
    return serveBytes(request, entry.bytes, entry.mediaType);
  });
  const keep = async (mediaType: string, bytes: Uint8Array<ArrayBuffer>) => {
    const digest = await digestOf(bytes);
    content.set(digest, { mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  };
  return {
    host: `${hostname}:${server.addr.port}`,
    seen,
    blob: (mediaType, bytes) => keep(mediaType, bytes as Uint8Array<ArrayBuffer>),
    async manifest(mediaType, value, tag) {
      const bytes = value instanceof Uint8Array
        ? value as Uint8Array<ArrayBuffer>
        : new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
      if (tag !== undefined) content.set(tag, { mediaType, bytes });
      return await keep(mediaType, bytes);
    },
    async image(tag, tars) {
      const layers = await Promise.all(tars.map((tar) => keep(MediaType.ociLayer, tar)));
      const config = await keep(MediaType.ociConfig, encode(configOf(layers.map(({ digest }) => digest))));
      const manifest = { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers };
      const { digest } = await this.manifest(MediaType.ociManifest, manifest, tag);
      return { digest, config: config.digest, layers: layers.map((layer) => layer.digest) };
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** An image's configuration. */
export function configOf(diffIDs: readonly string[]) {
  return { os: "linux", architecture: "amd64", config: {}, rootfs: { type: "layers", diff_ids: diffIDs }, history: [] };
}

export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Answers with bytes, or with the part that a Range header asks for. */
export function serveBytes(request: Request, bytes: Uint8Array<ArrayBuffer>, mediaType: string): Response {
  const headers = new Headers({ "content-type": mediaType });
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
  if (from === 0) return new Response(bytes, { headers });
  if (from >= bytes.length) return new Response(null, { status: 416 });
  headers.set("content-range", `bytes ${from}-${bytes.length - 1}/${bytes.length}`);
  return new Response(bytes.subarray(from), { status: 206, headers });
}

/** The first bytes, and then the connection is cut. */
export function cutAfter(bytes: Uint8Array, count: number, headers: HeadersInit = {}, status = 200): Response {
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(bytes.slice(0, count));
      await new Promise((resolve) => setTimeout(resolve, 20));
      controller.error(new Error("cut"));
    },
  });
  return new Response(body, { headers, status });
}

/** A stream that a test has cut fails in the server, too; anything else is a defect of the test. */
function onError(error: unknown): Response {
  console.error("fake registry:", error);
  return new Response("the test's server failed", { status: 500 });
}

/** A tar archive of regular files (POSIX ustar). */
export function tarOf(files: Record<string, string | Uint8Array>): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const [name, text] of Object.entries(files)) {
    const data = typeof text === "string" ? new TextEncoder().encode(text) : text;
    const header = new Uint8Array(512);
    const put = (at: number, field: string) => header.set(new TextEncoder().encode(field), at);
    put(0, name);
    put(100, "0000644\0" + "0000000\0".repeat(2));
    put(124, `${data.length.toString(8).padStart(11, "0")}\0` + `${"0".repeat(11)}\0`);
    put(148, " ".repeat(8) + "0");
    put(257, "ustar\x0000");
    put(148, `${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `);
    parts.push(header, data, new Uint8Array((512 - data.length % 512) % 512));
  }
  parts.push(new Uint8Array(1024));
  const tar = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    tar.set(part, at);
    at += part.length;
  }
  return tar;
}
