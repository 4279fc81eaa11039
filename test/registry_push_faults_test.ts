/** Pushes to registries that cut, forget, refuse and lie: what arrives is whole, or one sentence says why not. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import type { Credentials } from "../images/auth_types.ts";
import { loadRegistries } from "../images/config_file.ts";
import { digestOf } from "../images/digest.ts";
import { pull } from "../images/pull.ts";
import { push } from "../images/push.ts";
import { parseReference } from "../images/reference.ts";
import { Store } from "../images/store.ts";
import { fakeRegistry, tarOf } from "./registry/fake.ts";
import { noise } from "./registry/image.ts";

const FAST = { attempts: 4, firstDelayMs: 1, longestDelayMs: 5 };
const EMPTY_CONFIG = `${import.meta.dirname}/registry/empty_config.json`;
const BIG = tarOf({ big: noise(3_000_000, 8) });

/** What a test does in place of the usual answer to an upload; undefined for the usual one. */
type Spoil = (request: Request, url: URL, seen: number) => Response | undefined | Promise<Response | undefined>;

/** A registry that takes uploads, whose answers a test can spoil; a body that it has not read is refused halfway. */
function uploadRegistry(spoil: Spoil = () => undefined) {
  const stored = new Map<string, Uint8Array<ArrayBuffer>>();
  const uploads = new Map<string, Uint8Array<ArrayBuffer>>();
  const seen: { method: string; path: string; headers: Headers }[] = [];
  const append = (id: string, bytes: Uint8Array) => {
    const before = uploads.get(id)!;
    const after = new Uint8Array(before.length + bytes.length);
    after.set(before);
    after.set(bytes, before.length);
    uploads.set(id, after);
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const url = new URL(request.url);
    seen.push({ method: request.method, path: url.pathname, headers: request.headers });
    const count = seen.filter(({ method, path }) => method === request.method && path === url.pathname).length;
    const spoiled = await spoil(request, url, count);
    if (spoiled) return spoiled;
    const [, kind, last] = /^\/v2\/x\/(blobs\/uploads|blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
    const body = async () => new Uint8Array(await request.arrayBuffer());
    if (kind === "manifests" && request.method === "PUT") {
      const bytes = await body();
      stored.set(last!, bytes);
      return new Response(null, { status: 201, headers: { "docker-content-digest": await digestOf(bytes) } });
    }
    if (kind === "blobs") return new Response(null, { status: stored.has(last!) ? 200 : 404 });
    if (kind !== "blobs/uploads") return new Response(null, { status: 404 });
    if (request.method === "POST") {
      const id = crypto.randomUUID();
      uploads.set(id, new Uint8Array());
      return new Response(null, { status: 202, headers: { location: `/v2/x/blobs/uploads/${id}?state=1` } });
    }
    if (!uploads.has(last!)) return new Response(null, { status: 404 });
    if (request.method !== "GET") append(last!, await body());
    const location = { location: `${url.pathname}?state=2` };
    if (request.method === "PUT") {
      const digest = url.searchParams.get("digest")!;
      if (await digestOf(uploads.get(last!)!) !== digest || url.searchParams.get("state") === null) {
        return Response.json({ errors: [{ code: "DIGEST_INVALID", message: "not what you said" }] }, { status: 400 });
      }
      stored.set(digest, uploads.get(last!)!);
      return new Response(null, { status: 201 });
    }
    const range = { range: `0-${Math.max(0, uploads.get(last!)!.length - 1)}` };
    return new Response(null, { status: request.method === "GET" ? 204 : 202, headers: { ...location, ...range } });
  });
  return {
    host: `127.0.0.1:${server.addr.port}`,
    stored,
    uploads,
    seen,
    append,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Pushes an image with one layer of 3 MB to a registry; what the store has is removed afterwards. */
async function pushTo(host: string, credentials?: Credentials): Promise<{ layer: string; digest: string }> {
  const root = await Deno.makeTempDir({ prefix: "mini-push-" });
  try {
    const store = new Store(root);
    const config = await loadRegistries({ config: EMPTY_CONFIG }, () => undefined);
    const options = { config, retry: FAST, credentials: () => Promise.resolve(credentials) };
    await using source = fakeRegistry();
    const image = await source.image("latest", [BIG]);
    await pull(store, `${source.host}/x`, options);
    store.images.tag(`${source.host}/x`, `${host}/x:1`);
    const [{ digest } = { digest: "" }] = await push(store, [parseReference(`${host}/x:1`)], options);
    return { layer: image.layers[0]!, digest };
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function refusal(host: string): Promise<string> {
  return (await assertRejects(() => pushTo(host), MiniError)).message;
}

/** Takes the first bytes of a body, and then answers without reading the rest. */
async function takeSome(request: Request, most: number): Promise<Uint8Array> {
  const taken: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body!) {
    taken.push(chunk.slice(0, most - length));
    length += taken.at(-1)!.length;
    if (length >= most) break;
  }
  return new Uint8Array(await new Blob(taken as BlobPart[]).arrayBuffer());
}

Deno.test("an upload that breaks off goes on at the byte that the registry has", async () => {
  await using registry = uploadRegistry(async (request, url, seen) => {
    if (request.method !== "PATCH" || seen > 1) return undefined;
    registry.append(url.pathname.split("/").at(-1)!, await takeSome(request, 1_000_000));
    return new Response("busy", { status: 503 });
  });
  const { layer, digest } = await pushTo(registry.host);
  assertEquals(await digestOf(registry.stored.get(layer)!), layer);
  assertEquals(await digestOf(registry.stored.get("1")!), digest);
  const patches = registry.seen.filter(({ method }) => method === "PATCH");
  assertEquals(patches.map(({ headers }) => headers.get("content-range")), [null, `1000000-${BIG.length - 1}`]);
});

Deno.test("an upload that the registry has forgotten is begun anew", async () => {
  let hasForgotten = false;
  await using registry = uploadRegistry(async (request) => {
    if (request.method !== "PATCH" || hasForgotten) return undefined;
    hasForgotten = true;
    await takeSome(request, 10);
    registry.uploads.clear();
    return new Response("gone", { status: 502 });
  });
  const { layer } = await pushTo(registry.host);
  assert(registry.stored.has(layer));
});

Deno.test("a token that runs out during an upload is renewed", async () => {
  let token = 0;
  await using registry = uploadRegistry(async (request, url, seen) => {
    if (url.pathname === "/token") return Response.json({ token: `token-${++token}` });
    const isExpired = request.method === "PATCH" && seen === 1 && token === 1;
    if (!isExpired && request.headers.get("authorization") === `Bearer token-${token}` && token > 0) return undefined;
    if (request.body) await request.arrayBuffer();
    return new Response(null, {
      status: 401,
      headers: {
        "www-authenticate": `Bearer realm="http://${registry.host}/token",service="s",scope="repository:x:pull,push"`,
      },
    });
  });
  const { layer } = await pushTo(registry.host, { username: "me", password: "secret" });
  assert(registry.stored.has(layer));
  assertEquals(token, 2);
});

Deno.test("an upload to another host is made without our credentials", async () => {
  let elsewhereSaw: (string | null)[] = [];
  await using elsewhere = uploadRegistry((request) => {
    elsewhereSaw = [...elsewhereSaw, request.headers.get("authorization")];
    return undefined;
  });
  await using registry = uploadRegistry(async (request, url) => {
    if (!request.headers.has("authorization")) {
      return new Response(null, { status: 401, headers: { "www-authenticate": "Basic realm=x" } });
    }
    if (request.method !== "POST" || !url.pathname.endsWith("/blobs/uploads/")) return undefined;
    const begun = await fetch(`http://${elsewhere.host}/v2/x/blobs/uploads/`, {
      method: "POST",
      headers: { authorization: "test" },
    });
    await begun.body?.cancel();
    const location = new URL(begun.headers.get("location")!, `http://${elsewhere.host}`).href;
    return new Response(null, { status: 202, headers: { location } });
  });
  const { layer } = await pushTo(registry.host, { username: "me", password: "secret" });
  assert(elsewhere.stored.has(layer));
  assertEquals([...new Set(elsewhereSaw)].sort(), ["test", null].sort());
});

Deno.test("what a registry refuses is told", async () => {
  const table: [spoil: Spoil, words: string][] = [
    [({ method }) => method === "HEAD" ? new Response(null, { status: 403 }) : undefined, "denies access"],
    [({ method }) => method === "POST" ? new Response(null, { status: 405 }) : undefined, "answers HTTP 405"],
    [
      ({ method }) => method === "POST" ? new Response(null, { status: 202 }) : undefined,
      "names no place for the upload",
    ],
    [
      ({ method }) =>
        method === "POST" ? new Response(null, { status: 202, headers: { location: "file:///x" } }) : undefined,
      "no web address",
    ],
    [
      ({ method }) => method === "POST" ? new Response(null, { status: 307, headers: { location: "/" } }) : undefined,
      "redirects a POST",
    ],
    [
      ({ method }, { pathname }) =>
        method === "PUT" && pathname.includes("manifests") ? new Response(null, { status: 413 }) : undefined,
      "answers HTTP 413",
    ],
    [
      ({ method }, { pathname }) =>
        method === "PUT" && pathname.includes("manifests")
          ? new Response(null, { status: 201, headers: { "docker-content-digest": `sha256:${"0".repeat(64)}` } })
          : undefined,
      "instead of sha256:",
    ],
  ];
  for (const [spoil, words] of table) {
    await using registry = uploadRegistry(async (request, url, seen) => {
      const answer = await spoil(request, url, seen);
      if (answer && request.body) await request.arrayBuffer();
      return answer;
    });
    assertStringIncludes(await refusal(registry.host), words);
    assert(!registry.stored.has("1"), words);
  }
});

Deno.test("a registry that is busy for long is given up", async () => {
  await using registry = uploadRegistry(({ method }) =>
    method === "HEAD" ? new Response(null, { status: 503 }) : undefined
  );
  assertStringIncludes(await refusal(registry.host), "answers HTTP 503");
  const byBlob = Map.groupBy(registry.seen, ({ path }) => path);
  assert([...byBlob.values()].some((requests) => requests.length === FAST.attempts));
});
