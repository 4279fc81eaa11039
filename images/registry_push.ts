/** Writing to a registry: blobs (looked for, mounted, uploaded), manifests, and the list of tags. */
import { isDigest } from "./digest.ts";
import { type Endpoint, originEndpoint } from "./mirrors.ts";
import { familiarName, type Reference } from "./reference.ts";
import { answerError, type RegistryClient, type RegistryRequest } from "./registry_client.ts";
import { readText } from "./registry_body.ts";
import { RegistryError } from "./registry_error.ts";
import { retry } from "./retry.ts";
import type { Descriptor } from "./types.ts";

/** A blob of at most so many bytes goes in one request. */
const MONOLITHIC_BYTES = 1 << 20;
/** The largest page of tags that is read, in bytes, and how many pages. */
const LARGEST_PAGE = 8 << 20;
const MOST_PAGES = 10_000;

/** What became of a blob. */
export type BlobOutcome = { readonly type: "exists" | "uploaded" } | {
  readonly type: "mounted";
  readonly from: string;
};

/** A blob to push. */
export interface PushBlob {
  readonly descriptor: Descriptor;
  /** Its bytes from an offset on; may be called again for another attempt. */
  readonly open: (offset: number) => ReadableStream<Uint8Array>;
  /** Repositories of the same registry that have it, probably: `library/alpine`. */
  readonly sources: readonly string[];
  /** How many bytes the registry has taken. */
  readonly report: (bytes: number) => void;
  readonly onRetry: (error: Error, delayMs: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A repository that is written to: always at the registry itself, never at a mirror. */
export class PushTarget {
  readonly #client: RegistryClient;
  readonly #endpoint: Endpoint;
  readonly #path: string;
  readonly #scope: string;
  readonly #doing: string;

  constructor(client: RegistryClient, reference: Reference) {
    this.#client = client;
    this.#endpoint = originEndpoint(reference.domain, client.options.config);
    this.#path = reference.path;
    this.#scope = `repository:${reference.path}:pull,push`;
    this.#doing = `push ${familiarName(reference)}`;
  }

  /** Brings a blob to the registry by the cheapest way that works. @throws RegistryError when none does. */
  async blob(blob: PushBlob): Promise<BlobOutcome> {
    let upload: Upload | undefined;
    return await retry(async () => {
      if (upload !== undefined && (upload.isLost || !await this.#resume(upload, blob))) upload = undefined;
      if (upload === undefined) {
        if (await this.#exists(blob)) return { type: "exists" };
        const begun = await this.#begin(blob);
        if ("type" in begun) return begun;
        upload = begun;
      }
      await this.#upload(upload, blob);
      return { type: "uploaded" };
    }, {
      policy: this.#client.retry,
      signal: blob.signal ?? this.#client.options.signal,
      progress: () => upload?.offset ?? 0,
      onRetry: blob.onRetry,
    });
  }

  /**
   * Stores a manifest or an index under a tag or its digest.
   *
   * @throws RegistryError when the registry refuses it, or calls it by another digest.
   */
  async manifest(which: string, descriptor: Descriptor, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await retry(async () => {
      const response = await this.#request({
        method: "PUT",
        path: `${this.#path}/manifests/${which}`,
        headers: { "content-type": descriptor.mediaType },
        body: bytes,
        signal,
      });
      if (response.status !== 201 && response.status !== 200) throw await this.#error(response);
      await response.body?.cancel();
      const claimed = response.headers.get("docker-content-digest");
      if (claimed !== null && isDigest(claimed) && claimed !== descriptor.digest) {
        throw new RegistryError(
          `cannot ${this.#doing}: ${this.#endpoint.name} stored ${claimed} instead of ${descriptor.digest}`,
        );
      }
    }, { policy: this.#client.retry, signal: signal ?? this.#client.options.signal });
  }

  async #exists({ descriptor, signal }: PushBlob): Promise<boolean> {
    const response = await this.#request({ method: "HEAD", path: `${this.#path}/blobs/${descriptor.digest}`, signal });
    await response.body?.cancel();
    if (response.status === 200) return true;
    if (response.status === 404) return false;
    throw await this.#error(response);
  }

  /** Asks for the blob to be mounted from where it may be, else for a place to upload it to. */
  async #begin({ descriptor, sources, signal }: PushBlob): Promise<Upload | BlobOutcome> {
    // The last question is one without a source: an upload.
    for (const from of [...sources.slice(0, 3), undefined]) {
      const query = from === undefined
        ? ""
        : `?mount=${encodeURIComponent(descriptor.digest)}&from=${encodeURIComponent(from)}`;
      const response = await this.#request({
        method: "POST",
        path: `${this.#path}/blobs/uploads/${query}`,
        headers: { "content-length": "0" },
        body: "",
        signal,
      }, from === undefined ? [] : [`repository:${from}:pull`]);
      if (response.status === 201 && from !== undefined) {
        await response.body?.cancel();
        return { type: "mounted", from };
      }
      if (response.status === 202) {
        await response.body?.cancel();
        return { location: this.#location(response), offset: 0, isLost: false };
      }
      // A source that we may not read, or that is gone, is no reason to give up: the next one, or an upload.
      if (from === undefined) throw await this.#error(response);
      await response.body?.cancel();
    }
    throw new RegistryError(`cannot ${this.#doing}: ${this.#endpoint.name} takes no uploads`);
  }

  /** Asks how much of an interrupted upload has arrived; false when the registry knows nothing of it. */
  async #resume(upload: Upload, { report, signal }: PushBlob): Promise<boolean> {
    const response = await this.#request({ method: "GET", path: upload.location, signal });
    await response.body?.cancel();
    if (response.status !== 204 && response.status !== 202) return false;
    const end = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.headers.get("range") ?? "")?.[1];
    // `0-0` is what an upload of nothing, and one of a single byte, look like.
    upload.offset = end === undefined || end === "0" ? 0 : Number(end) + 1;
    if (end === "0") return false;
    if (response.headers.has("location")) upload.location = this.#location(response, upload.location);
    report(upload.offset);
    return true;
  }

  async #upload(upload: Upload, blob: PushBlob): Promise<void> {
    const { descriptor: { digest, size }, open, report, signal } = blob;
    const type = { "content-type": "application/octet-stream" };
    let body: Uint8Array | string = "";
    if (upload.offset === 0 && size <= MONOLITHIC_BYTES) {
      body = new Uint8Array(await new Response(open(0) as BodyInit).arrayBuffer());
    } else if (upload.offset < size) {
      const response = await this.#request({
        method: "PATCH",
        path: upload.location,
        headers: upload.offset === 0 ? type : { ...type, "content-range": `${upload.offset}-${size - 1}` },
        body: counted(open(upload.offset), upload.offset, report),
        signal,
      });
      if (response.status !== 202 && response.status !== 204) {
        if (response.status !== 401) throw await this.#uploadError(upload, response);
        // The token ran out during the upload; the next attempt begins with a new one.
        await response.body?.cancel();
        throw new RegistryError(`cannot ${this.#doing}: ${this.#endpoint.name} denies access`, {
          status: 401,
          transient: true,
        });
      }
      await response.body?.cancel();
      upload.location = this.#location(response, upload.location);
      upload.offset = size;
    }
    const end = new URL(upload.location);
    end.searchParams.set("digest", digest);
    const response = await this.#request({ method: "PUT", path: end, headers: type, body, signal });
    if (response.status !== 201 && response.status !== 204) throw await this.#uploadError(upload, response);
    await response.body?.cancel();
    report(size);
  }

  /** What an upload was refused with; one that the registry no longer knows is begun anew. */
  async #uploadError(upload: Upload, response: Response): Promise<RegistryError> {
    if (response.status !== 404) return await this.#error(response);
    await response.body?.cancel();
    upload.isLost = true;
    const { name } = this.#endpoint;
    return new RegistryError(`cannot ${this.#doing}: ${name} has lost the upload`, { status: 404, transient: true });
  }

  /** Where an answer says that an upload goes on; it may be relative to where the question was asked. */
  #location(response: Response, asked?: URL): URL {
    const text = response.headers.get("location");
    const base = asked ?? this.#client.base(this.#endpoint);
    if (text === null || !URL.canParse(text, base)) {
      throw new RegistryError(`cannot ${this.#doing}: ${this.#endpoint.name} names no place for the upload`);
    }
    const url = new URL(text, base);
    if (!/^https?:$/.test(url.protocol)) {
      throw new RegistryError(
        `cannot ${this.#doing}: ${this.#endpoint.name} wants the upload at a place that is no web address`,
      );
    }
    return url;
  }

  #request(request: Omit<RegistryRequest, "scopes">, moreScopes: readonly string[] = []): Promise<Response> {
    return this.#client.request(this.#endpoint, { ...request, scopes: [this.#scope, ...moreScopes] });
  }

  #error(response: Response): Promise<RegistryError> {
    return answerError(this.#endpoint, response, this.#doing);
  }
}

/** An upload that has been begun. */
interface Upload {
  location: URL;
  /** Bytes that the registry has. */
  offset: number;
  /** The registry does not know it any more. */
  isLost: boolean;
}

/** Passes bytes on and says how many they were. */
function counted(body: ReadableStream<Uint8Array>, from: number, report: (bytes: number) => void) {
  let sent = from;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        report(sent += chunk.length);
        controller.enqueue(chunk);
      },
    }),
  );
}

/** All tags of a repository, page by page. @throws RegistryError when the registry does not list them. */
export async function listTags(
  client: RegistryClient,
  endpoint: Endpoint,
  reference: Reference,
  signal?: AbortSignal,
): Promise<string[]> {
  const name = familiarName(reference);
  const tags: string[] = [];
  let path: string | URL = `${reference.path}/tags/list`;
  for (let page = 0; page < MOST_PAGES; page++) {
    const scopes = [`repository:${reference.path}:pull`];
    const response = await client.request(endpoint, { method: "GET", path, scopes, signal });
    if (response.status !== 200) throw await answerError(endpoint, response, `list the tags of ${name}`);
    const text = await readText(response, LARGEST_PAGE, `the list of tags of ${name} from ${endpoint.name}`);
    let json: { tags?: unknown };
    try {
      json = JSON.parse(text) ?? {};
    } catch {
      throw new RegistryError(
        `${endpoint.name} answers the question for the tags of ${name} with something that is not JSON`,
      );
    }
    if (Array.isArray(json.tags)) tags.push(...json.tags.filter((tag) => typeof tag === "string"));
    const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.headers.get("link") ?? "")?.[1];
    const base = client.base(endpoint);
    if (next === undefined || !URL.canParse(next, base)) return tags;
    path = new URL(next, base);
    // The proof of identity goes along, so the next page must be at the same place.
    if (path.origin !== new URL(base).origin) return tags;
  }
  return tags;
}
