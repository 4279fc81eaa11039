/**
 * One HTTP request and its answer: TLS, proxies, timeouts. Knows nothing of registries.
 *
 * Requests go out through Deno's `fetch`. It cannot leave a certificate unverified, so for a registry that is marked as
 * insecure and has one that does not verify, `node:https` is loaded and used for that host from then on.
 */
import { MiniError } from "../ffi/errors.ts";
import { BROKE_OFF, describeNetworkError, RegistryError, tame } from "./registry_error.ts";
import { proxyFor } from "./registry_proxy.ts";
import { hostCertificates, pemToHex, systemAuthorities } from "./registry_tls.ts";

/** What is sent. */
export interface TransportRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  /** A stream is sent in chunks as it is read, and can be sent once only. */
  readonly body?: Uint8Array | string | ReadableStream<Uint8Array> | undefined;
  /** Certificates are not verified. */
  readonly insecure: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Sends requests; to be closed when the work is done. Connections are kept and used again until then. */
export class Transport {
  readonly #clients = new Map<string, Deno.HttpClient>();
  /** Hosts whose certificate does not verify and that are reached through node:https. */
  readonly #unverified = new Set<string>();
  /** @param stallMs silence after which a request or an answer's body fails, in milliseconds. */
  constructor(readonly stallMs: number) {}

  /** Ends every connection. */
  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Sends a request and resolves when the answer's head is there. Redirects are not followed. A piece of the answer's
   * body is valid until the next one is asked for: registry_body.ts reads it whole.
   *
   * @throws RegistryError when there is no answer; a transient one where another attempt may succeed.
   */
  async send(request: TransportRequest): Promise<Response> {
    const { url } = request;
    request.signal?.throwIfAborted();
    const watch = new StallWatch(this.stallMs, request.signal);
    try {
      const body = request.body instanceof ReadableStream ? watch.guardUpload(request.body) : request.body;
      const guarded = { ...request, body, signal: watch.signal };
      const response = this.#unverified.has(url.host) ? await sendUnverified(guarded) : await this.#fetch(guarded);
      watch.rest();
      return guardBody(response, watch, url.host);
    } catch (error) {
      watch.end();
      if (error instanceof MiniError) throw error;
      request.signal?.throwIfAborted();
      throw networkError(error, watch, url.host);
    }
  }

  async #fetch(request: TransportRequest): Promise<Response> {
    try {
      return await fetch(request.url, {
        method: request.method,
        headers: request.headers,
        redirect: "manual",
        client: this.#client(request.url),
        ...(request.body === undefined ? {} : { body: request.body as BodyInit }),
        ...(request.signal ? { signal: request.signal } : {}),
      });
    } catch (error) {
      const described = describeNetworkError(error);
      if (described?.kind !== "tls" || !/certificate/.test(described.words)) throw error;
      if (request.body instanceof ReadableStream) throw error; // it has been read from: it cannot be sent again
      const pinned = request.insecure ? [] : hostCertificates(request.url.host).authorities.flatMap(pemToHex);
      // A certificate that signed itself is no authority to Deno; one that an administrator put there is meant, though.
      if (!request.insecure && !(/self-signed/.test(described.words) && pinned.length > 0)) throw error;
      const response = await sendUnverified(request, request.insecure ? undefined : pinned);
      if (request.insecure) this.#unverified.add(request.url.host);
      return response;
    }
  }

  /** The client for a host: its authorities, our certificate, the proxy. */
  #client(url: URL): Deno.HttpClient {
    let client = this.#clients.get(url.origin);
    if (client === undefined) {
      client = createClient(url);
      this.#clients.set(url.origin, client);
    }
    return client;
  }
}

function createClient(url: URL): Deno.HttpClient {
  const proxy = proxyFor(url);
  const trusted = url.protocol === "https:" ? hostCertificates(url.host) : { authorities: [] };
  const caCerts = url.protocol === "https:"
    ? [systemAuthorities(), ...trusted.authorities].filter((pem) => pem !== "")
    : [];
  // Deno reads the proxy variables by rules of its own when a client is made (loopback through the proxy, names and
  // passwords dropped), and NO_PROXY even for a proxy that it is given. Ours have been applied above. (`*` means every
  // name to it, but no address.)
  const direct = proxy ? "" : `*,${url.hostname.replace(/^\[|\]$/g, "")}`;
  return withEnvironment({ NO_PROXY: direct, no_proxy: direct }, () => {
    try {
      return Deno.createHttpClient({
        caCerts,
        http2: false, // one connection for each layer is faster than one for all, and every registry speaks HTTP/1.1
        ...("client" in trusted && trusted.client ? trusted.client : {}),
        ...(proxy ? { proxy } : {}),
      });
    } catch (error) {
      throw new MiniError(`the certificates for ${url.host} cannot be used: ${tame((error as Error).message)}`);
    }
  });
}

/** Runs `work` with variables changed and puts them back; it must not wait for anything. */
function withEnvironment<T>(variables: Record<string, string>, work: () => T): T {
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  if (!["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].some((n) => Deno.env.get(n) || Deno.env.get(n.toLowerCase()))) {
    return work();
  }
  try {
    for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
    return work();
  } finally {
    for (const [name, value] of before) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  }
}

/** Sends over TLS without verifying the certificate, or, with `pinned`, taking one of those (hexadecimal DER) only. */
async function sendUnverified(request: TransportRequest, pinned?: readonly string[]): Promise<Response> {
  const { request: open, Agent } = await import("node:https");
  const { Readable } = await import("node:stream");
  const { url } = request;
  if (proxyFor(url)) {
    throw new MiniError(`${url.host} has a certificate that does not verify, and that is not possible through a proxy`);
  }
  const client = hostCertificates(url.host).client;
  const agent = new Agent({ keepAlive: false });
  return await new Promise<Response>((resolve, reject) => {
    const outgoing = open(url, {
      method: request.method,
      headers: Object.fromEntries(request.headers),
      agent,
      rejectUnauthorized: false,
      ...(client ?? {}),
      ...(request.signal ? { signal: request.signal } : {}),
    }, (incoming) => {
      const status = incoming.statusCode ?? 0;
      const headers = new Headers();
      for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
        headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!);
      }
      const empty = request.method === "HEAD" || status === 204 || status === 304;
      if (empty) incoming.resume();
      const body = empty ? null : Readable.toWeb(incoming) as unknown as ReadableStream<Uint8Array>;
      resolve(new Response(body, { status, headers }));
    });
    outgoing.on("error", reject);
    const sendBody = async () => {
      if (request.body instanceof ReadableStream) {
        for await (const chunk of request.body) {
          if (!outgoing.write(chunk)) await new Promise((drained) => outgoing.once("drain", drained));
        }
        outgoing.end();
      } else outgoing.end(request.body);
    };
    if (pinned === undefined) return void sendBody().catch(reject);
    // Nothing is written, no credentials either, before the certificate has been found to be the expected one.
    outgoing.on("socket", (socket) =>
      socket.once("secureConnect", () => {
        const { raw } = (socket as unknown as { getPeerCertificate(): { raw: Uint8Array } }).getPeerCertificate();
        const hex = Array.from(raw, (byte) => byte.toString(16).padStart(2, "0")).join("");
        if (pinned.includes(hex)) return void sendBody().catch(reject);
        outgoing.destroy(new Error("invalid peer certificate: UnknownIssuer"));
      }));
  });
}

/** Ends a request that has been silent for too long. */
class StallWatch {
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #forward: () => void;
  #ended = false;
  stalled = false;
  constructor(readonly stallMs: number, readonly outer: AbortSignal | undefined) {
    this.#forward = () => this.#controller.abort(outer!.reason);
    outer?.addEventListener("abort", this.#forward, { once: true });
    this.wake();
  }
  get signal(): AbortSignal {
    return this.#controller.signal;
  }
  /** Something is awaited from the network, or has just been heard. */
  wake(): void {
    clearTimeout(this.#timer);
    // A registry may answer while we still send; what is sent after that is not waited for.
    if (this.#ended) return;
    this.#timer = setTimeout(() => {
      this.stalled = true;
      this.#controller.abort(new Error("stalled"));
    }, this.stallMs);
  }
  /** Nothing is awaited at the moment. */
  rest(): void {
    clearTimeout(this.#timer);
  }
  end(): void {
    this.#ended = true;
    this.rest();
    this.outer?.removeEventListener("abort", this.#forward);
  }
  /** An upload is alive as long as pieces of it are taken. */
  guardUpload(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    return new ReadableStream({
      pull: async (controller) => {
        this.wake();
        const { value, done } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
  }
}

/** Bytes that are read at once at most. */
const CHUNK_BYTES = 256 * 1024;

/**
 * The same answer, whose body fails with one sentence and does not wait for ever. A piece of it is valid until the next
 * one is asked for: all of them share one buffer, or a large layer would leave that much garbage behind.
 */
function guardBody(response: Response, watch: StallWatch, host: string): Response {
  if (response.body === null || [204, 205, 304].includes(response.status)) {
    watch.end();
    return response;
  }
  const reader = readerOf(response.body);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      watch.wake();
      try {
        // Given up between two pieces: no read was there to be told.
        watch.signal.throwIfAborted();
        const value = await reader.read();
        watch.rest();
        if (value !== undefined) return controller.enqueue(value);
        watch.end();
        controller.close();
      } catch (error) {
        watch.end();
        controller.error(watch.outer?.aborted ? watch.outer.reason : networkError(error, watch, host));
      }
    },
    async cancel(reason) {
      watch.end();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  return new Response(body, { status: response.status, headers: response.headers });
}

/** Reads into one buffer again and again where the stream allows that: fetch's do, those of node:https do not. */
function readerOf(body: ReadableStream<Uint8Array>) {
  let byob: ReadableStreamBYOBReader;
  try {
    byob = body.getReader({ mode: "byob" });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const reader = body.getReader();
    return { read: async () => (await reader.read()).value, cancel: (reason: unknown) => reader.cancel(reason) };
  }
  let buffer = new ArrayBuffer(CHUNK_BYTES);
  return {
    async read(): Promise<Uint8Array | undefined> {
      const { value, done } = await byob.read(new Uint8Array(buffer));
      if (value) buffer = value.buffer; // the same memory, which the call took away and gives back
      return done ? undefined : value;
    },
    cancel: (reason: unknown) => byob.cancel(reason),
  };
}

function networkError(error: unknown, watch: StallWatch, host: string): unknown {
  if (watch.stalled) {
    return new RegistryError(`${host} sent nothing for ${watch.stallMs / 1000} seconds`, {
      transient: true,
      cause: error,
    });
  }
  const described = describeNetworkError(error);
  if (described === undefined) {
    // fetch refuses some ports and malformed headers by itself; the sentence is Deno's.
    if (error instanceof TypeError) {
      return new RegistryError(`${host} cannot be asked: ${tame(error.message)}`, { cause: error });
    }
    return error;
  }
  // A refused connection or an unknown name is a typing error or a server that is down: the next second changes neither.
  const { words } = described;
  return new RegistryError(
    words === BROKE_OFF ? `${words} while talking to ${host}` : `${host} cannot be reached: ${words}`,
    {
      transient: described.kind === "other",
      cause: error,
    },
  );
}
