/** Reading from a registry: manifests by name or digest, blobs from any byte on. */
import { digestOf, isDigest, parseDigest } from "./digest.ts";
import { type Endpoint, pullEndpoints } from "./mirrors.ts";
import { familiarReference, type Reference } from "./reference.ts";
import { answerError, type RegistryClient } from "./registry_client.ts";
import { readBytes } from "./registry_body.ts";
import { RegistryError, tame } from "./registry_error.ts";
import { isTransient, retry } from "./retry.ts";
import { type Descriptor, Limits, MediaType } from "./types.ts";

/** What we take as a manifest, the newer forms first. */
const ACCEPT = [MediaType.ociIndex, MediaType.dockerList, MediaType.ociManifest, MediaType.dockerManifest].join(", ");

/** A manifest or an index as a registry sent it, of the digest that was asked for. */
export interface FetchedManifest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The registry's Content-Type, without parameters. */
  readonly mediaType: string;
  readonly digest: string;
  /** Who had it: the blobs are asked for there first. */
  readonly endpoint: Endpoint;
}

/** A repository that is read from, through its mirrors and at last the registry itself. */
export class PullSource {
  readonly #client: RegistryClient;
  readonly #scopes: string[];
  #endpoints: readonly Endpoint[];

  constructor(client: RegistryClient, readonly reference: Reference) {
    this.#client = client;
    this.#scopes = [`repository:${reference.path}:pull`];
    this.#endpoints = pullEndpoints(reference.domain, client.options.config);
  }

  /**
   * Reads a manifest from the first place that has it; that place then comes first for everything else.
   *
   * @param which a tag or a digest.
   * @throws RegistryError that names every place that was tried.
   */
  async manifest(which: string, signal?: AbortSignal): Promise<FetchedManifest> {
    const wanted = { ...this.reference, tag: which, digest: which };
    const name = isDigest(which)
      ? familiarReference({ domain: wanted.domain, path: wanted.path, digest: which })
      : familiarReference({ domain: wanted.domain, path: wanted.path, tag: which });
    return await this.#firstOf(`pull ${name}`, signal, (endpoint) => this.#manifestFrom(endpoint, which, name, signal));
  }

  /**
   * Begins to read a blob at a byte.
   *
   * @returns the bytes from `offset` on, exactly as many as the descriptor promises; reading fails when there are more
   *   or fewer. A piece is valid until the next one is asked for. `restart` is set when the registry cannot go on at that byte: the bytes then begin at 0.
   */
  async blob(descriptor: Descriptor, offset: number, signal?: AbortSignal): Promise<BlobAnswer> {
    const doing = `pull ${familiarReference({ domain: this.reference.domain, path: this.reference.path })}: layer ${
      descriptor.digest.slice(0, 19)
    }`;
    return await this.#firstOf(
      doing,
      signal,
      (endpoint) => this.#blobFrom(endpoint, descriptor, offset, doing, signal),
      1,
    );
  }

  /** Where the last answer came from, for sentences. */
  get current(): string {
    return this.#endpoints[0]!.name;
  }

  /** Passes over the place that the last answer came from; false when there is no other left. */
  distrust(): boolean {
    if (this.#endpoints.length < 2) return false;
    this.#endpoints = this.#endpoints.slice(1);
    return true;
  }

  /** Asks each place in turn; the last one's transient troubles are waited out, a mirror's only briefly. */
  async #firstOf<T>(
    doing: string,
    signal: AbortSignal | undefined,
    ask: (endpoint: Endpoint) => Promise<T>,
    attempts = this.#client.retry.attempts,
  ): Promise<T> {
    const failures: [Endpoint, RegistryError][] = [];
    for (const endpoint of this.#endpoints) {
      const last = endpoint === this.#endpoints.at(-1);
      try {
        const policy = { ...this.#client.retry, attempts: last ? attempts : Math.min(attempts, 2) };
        const result = await retry(() => ask(endpoint), { policy, signal: signal ?? this.#client.options.signal });
        this.#endpoints = [endpoint, ...this.#endpoints.filter((other) => other !== endpoint)];
        return result;
      } catch (error) {
        if (!(error instanceof RegistryError)) throw error;
        failures.push([endpoint, error]);
      }
    }
    if (failures.length === 1) throw failures[0]![1];
    // The registry's own word decides what kind of failure it was; it stands last.
    const final = (failures.find(([endpoint]) => !endpoint.mirror) ?? failures.at(-1)!)[1];
    const words = failures.map(([endpoint, error]) => {
      const reason = error.message.replace(`cannot ${doing}: `, "");
      return reason.startsWith(endpoint.name) ? reason : `${endpoint.name}: ${reason}`;
    });
    throw new RegistryError(`cannot ${doing}: ${words.join("; ")}`, {
      ...(final.status === undefined ? {} : { status: final.status }),
      codes: final.codes,
      transient: failures.some(([, error]) => isTransient(error)),
      retryAfterMs: final.retryAfterMs,
      cause: final,
    });
  }

  async #manifestFrom(endpoint: Endpoint, which: string, name: string, signal?: AbortSignal): Promise<FetchedManifest> {
    const response = await this.#client.request(endpoint, {
      method: "GET",
      path: `${this.reference.path}/manifests/${which}`,
      headers: { accept: ACCEPT },
      scopes: this.#scopes,
      signal,
    });
    if (response.status !== 200) throw await answerError(endpoint, response, `pull ${name}`);
    const from = `the manifest of ${name} from ${endpoint.name}`;
    const bytes = await readBytes(response, Limits.manifestBytes, from);
    const claimed = response.headers.get("docker-content-digest");
    const expected = isDigest(which) ? which : claimed !== null && isDigest(claimed) ? claimed : undefined;
    const digest = await digestOf(bytes, expected === undefined ? "sha256" : parseDigest(expected).algorithm);
    if (expected !== undefined && digest !== expected) {
      throw new RegistryError(
        `${from} has the digest ${digest} and not ${expected}; it is damaged or not what it claims to be`,
      );
    }
    const mediaType = (response.headers.get("content-type") ?? "").split(";")[0]!.trim();
    return { bytes, mediaType, digest, endpoint };
  }

  async #blobFrom(
    endpoint: Endpoint,
    { digest, size }: Descriptor,
    offset: number,
    doing: string,
    signal?: AbortSignal,
  ) {
    const response = await this.#client.request(endpoint, {
      method: "GET",
      path: `${this.reference.path}/blobs/${digest}`,
      headers: offset > 0 ? { range: `bytes=${offset}-` } : {},
      scopes: this.#scopes,
      signal,
    });
    const { status } = response;
    if (status === 416) {
      await response.body?.cancel();
      return { restart: true, body: undefined };
    }
    if (status !== 200 && status !== 206) throw await answerError(endpoint, response, doing);
    const begin = status === 206 ? rangeBegin(response.headers.get("content-range")) : 0;
    if (begin !== offset && begin !== 0) {
      await response.body?.cancel();
      throw new RegistryError(`cannot ${doing}: ${endpoint.name} answers with other bytes than were asked for`);
    }
    const length = response.headers.get("content-length");
    if (length !== null && Number(length) !== size - begin) {
      await response.body?.cancel();
      throw new RegistryError(
        `cannot ${doing}: ${endpoint.name} has ${tame(length, 30)} bytes of it where the manifest says ${size - begin}`,
      );
    }
    return {
      restart: begin !== offset,
      body: exactly(response.body, size - begin, `cannot ${doing}: ${endpoint.name}`),
    };
  }
}

/** A blob's bytes. */
export interface BlobAnswer {
  /** The bytes begin at 0 although another offset was asked for; without a body: ask again from 0. */
  readonly restart: boolean;
  readonly body: AsyncIterable<Uint8Array<ArrayBuffer>> | undefined;
}

/** The first byte of `Content-Range: bytes 5-9/10`; a missing or unreadable one cannot be trusted to be any. */
function rangeBegin(header: string | null): number {
  const found = /^bytes (\d{1,15})-\d{1,15}\/(?:\d{1,15}|\*)$/.exec(header ?? "");
  return found ? Number(found[1]) : -1;
}

/** Passes on as many bytes as were promised, and fails as soon as there are more, or at the end when there are fewer. */
async function* exactly(body: ReadableStream<Uint8Array<ArrayBuffer>> | null, size: number, what: string) {
  let seen = 0;
  for await (const chunk of body ?? []) {
    seen += chunk.length;
    if (seen > size) throw new RegistryError(`${what} sends more than the ${size} bytes that were promised`);
    yield chunk;
  }
  // A connection that broke off looks like this with chunked encoding of a careless proxy: worth another attempt.
  if (seen < size) throw new RegistryError(`${what} breaks off after ${seen} of ${size} bytes`, { transient: true });
}
