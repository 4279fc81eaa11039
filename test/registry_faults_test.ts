/** Registries that are down, slow, broken or hostile: one clear sentence each, and nothing left behind. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { parseChallenges } from "../images/auth_challenge.ts";
import { requestToken } from "../images/auth_token.ts";
import type { Credentials } from "../images/auth_types.ts";
import { loadRegistries } from "../images/config_file.ts";
import { type Progress, silent } from "../images/progress.ts";
import { pull, type PullOptions } from "../images/pull.ts";
import { Transport } from "../images/registry_transport.ts";
import { Store } from "../images/store.ts";
import { MediaType } from "../images/types.ts";
import { configOf, cutAfter, encode, type FakeRegistry, fakeRegistry, serveBytes, tarOf } from "./registry/fake.ts";
import { noise } from "./registry/image.ts";
import { deadAddress } from "./registry/server.ts";

const FAST = { attempts: 3, firstDelayMs: 1, longestDelayMs: 5 };
const EMPTY_CONFIG = `${import.meta.dirname}/registry/empty_config.json`;
const nobody = () => Promise.resolve(undefined);

interface Given {
  stallMs?: number;
  credentials?: Credentials;
  environment?: Record<string, string>;
}

async function options({ stallMs, credentials, environment = {} }: Given = {}): Promise<PullOptions> {
  const config = await loadRegistries({ config: EMPTY_CONFIG }, (name) => environment[name]);
  return {
    config: stallMs === undefined ? config : { ...config, stallMs },
    retry: FAST,
    credentials: credentials ? () => Promise.resolve(credentials) : nobody,
  };
}

/** A store in a folder that is removed afterwards. */
function newStore(): { store: Store } & Disposable {
  const root = Deno.makeTempDirSync({ prefix: "mini-faults-" });
  return { store: new Store(root), [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }) };
}

/** Nothing is to be seen of an image, a layer or a lease. */
function assertNothingLeft(store: Store): void {
  assertEquals(store.images.list(), []);
  store.prepare();
  assertEquals([...Deno.readDirSync(`${store.folder}/layers`)].map(({ name }) => name), []);
  assertEquals([...Deno.readDirSync(`${store.folder}/leases`)].map(({ name }) => name), []);
}

/** The sentence that a pull is refused with. */
async function refusal(name: string, given: Given = {}): Promise<string> {
  using temporary = newStore();
  const error = await assertRejects(async () => pull(temporary.store, name, await options(given)), MiniError);
  assertNothingLeft(temporary.store);
  assert(
    !error.message.includes("\n") && !error.message.includes("\x1b") && !error.message.endsWith("."),
    error.message,
  );
  return error.message;
}

async function assertPulls(registry: FakeRegistry, name: string, given: Given = {}): Promise<void> {
  using temporary = newStore();
  const result = await pull(temporary.store, `${registry.host}/${name}`, await options(given));
  assertEquals(temporary.store.images.list().length, 1);
  for (const layer of result.image.layers) assert(Deno.statSync(layer).isDirectory);
}

const BIG = tarOf({ "big": noise(3_000_000) });
/** Bytes, and then nothing until the other side gives up. */
const stalled = (bytes: Uint8Array) =>
  new Response(new ReadableStream({ start: (controller) => controller.enqueue(bytes) }));
const isBlob = (url: URL, digest: string) => url.pathname.endsWith(`/blobs/${digest}`);

Deno.test("a registry that is down is told at once", async () => {
  using dead = deadAddress();
  assertStringIncludes(await refusal(`${dead.host}/x`), `${dead.host} cannot be reached: connection refused`);
});

Deno.test("a host name that does not exist is told", async () => {
  assertStringIncludes(await refusal("registry.invalid/x"), "registry.invalid cannot be reached");
});

Deno.test("a registry that is silent is given up after its time, and a layer that stalls is gone on with", async () => {
  await using silent = fakeRegistry(() => new Promise((resolve) => setTimeout(() => resolve(new Response()), 1000)));
  assertStringIncludes(await refusal(`${silent.host}/x`, { stallMs: 100 }), "sent nothing for 0.1 seconds");

  let stalls = 0;
  await using registry = fakeRegistry((request, url) => {
    if (!isBlob(url, image.layers[0]!) || request.headers.has("range")) return undefined;
    stalls++;
    return stalled(BIG.slice(0, 2_000_000));
  });
  const image = await registry.image("latest", [BIG]);
  await assertPulls(registry, "x", { stallMs: 3000 });
  assertEquals(stalls, 1);
  assertEquals(registry.seen.filter(({ headers }) => headers.has("range")).map(({ headers }) => headers.get("range")), [
    "bytes=2000000-",
  ]);
});

Deno.test("a layer that is cut off goes on at the byte where it stopped", async () => {
  await using registry = fakeRegistry((request, url, seen) =>
    isBlob(url, image.layers[0]!) && seen === 1 && !request.headers.has("range") ? cutAfter(BIG, 1_000_000) : undefined
  );
  const image = await registry.image("latest", [BIG]);
  await assertPulls(registry, "x");
  assertEquals(registry.seen.at(-1)!.headers.get("range"), "bytes=1000000-");
});

Deno.test("a registry that knows no ranges sends a layer again, and what is there is passed over", async () => {
  await using registry = fakeRegistry((_, url, seen) => {
    if (!isBlob(url, image.layers[0]!)) return undefined;
    return seen < 3 ? cutAfter(BIG, 1_000_000 * seen) : new Response(BIG);
  });
  const image = await registry.image("latest", [BIG]);
  await assertPulls(registry, "x");
});

Deno.test("a part that is not the one that was asked for is refused", async () => {
  await using registry = fakeRegistry((_, url, seen) => {
    if (!isBlob(url, image.layers[0]!)) return undefined;
    if (seen === 1) return cutAfter(BIG, 1_000_000);
    return new Response(BIG.subarray(5), {
      status: 206,
      headers: { "content-range": `bytes 5-${BIG.length - 1}/${BIG.length}` },
    });
  });
  const image = await registry.image("latest", [BIG]);
  assertStringIncludes(await refusal(`${registry.host}/x`), "other bytes than were asked for");
});

Deno.test("an endless series of cuts comes to an end, and the next pull goes on where it stopped", async () => {
  let isBroken = true;
  await using registry = fakeRegistry((request, url) => {
    if (!isBlob(url, image.layers[0]!) || !isBroken) return undefined;
    const from = Number(/\d+/.exec(request.headers.get("range") ?? "0")![0]);
    const range = { "content-range": `bytes ${from}-${BIG.length - 1}/${BIG.length}` };
    return from === 0 ? cutAfter(BIG, 100_000) : cutAfter(BIG.subarray(from), 100_000, range, 206);
  });
  const image = await registry.image("latest", [BIG]);
  using temporary = newStore();
  const { store } = temporary;
  const name = `${registry.host}/x`;
  const error = await assertRejects(async () => pull(store, name, await options()), MiniError);
  assertStringIncludes(error.message, "broke off");
  assertNothingLeft(store);
  isBroken = false;
  await pull(store, name, await options());
  assertEquals(registry.seen.at(-1)!.headers.get("range"), "bytes=300000-");
});

Deno.test("content of another digest is refused, from the first attempt on and after an interrupted one", async () => {
  const other = BIG.slice();
  other[1000]! ^= 1;
  let wrong = true;
  await using registry = fakeRegistry((_, url) =>
    isBlob(url, image.layers[0]!) && wrong ? new Response(other) : undefined
  );
  const image = await registry.image("latest", [BIG]);
  assertStringIncludes(await refusal(`${registry.host}/x`), "something else than sha256:");
  // What an earlier command left is damaged: the layer is fetched once more from its beginning.
  using temporary = newStore();
  wrong = false;
  const { store } = temporary;
  store.prepare();
  Deno.writeFileSync(`${store.folder}/ingest/${image.layers[0]!.replace(":", "-")}`, other.subarray(0, 2_000_000));
  await pull(store, `${registry.host}/x`, await options());
});

Deno.test("a wrong manifest is refused, by its header's digest and by the digest that was asked for", async () => {
  await using registry = fakeRegistry((_, url) =>
    url.pathname.includes("/manifests/")
      ? new Response("{}", { headers: { "docker-content-digest": `sha256:${"0".repeat(64)}` } })
      : undefined
  );
  const digest = `sha256:${"1".repeat(64)}`;
  assertStringIncludes(await refusal(`${registry.host}/x`), `and not sha256:${"0".repeat(64)}`);
  assertStringIncludes(await refusal(`${registry.host}/x@${digest}`), `and not ${digest}`);
});

Deno.test("a wrong configuration is refused", async () => {
  await using registry = fakeRegistry((_, url) =>
    isBlob(url, image.config) ? new Response("{}".padEnd(200)) : undefined
  );
  const image = await registry.image("latest", [BIG]);
  assertStringIncludes(await refusal(`${registry.host}/x`), "manifest says");
});

Deno.test("sizes that are not what the manifest says are refused", async () => {
  const answers = [
    () => new Response(BIG.subarray(0, 1000)), // with its Content-Length
    () => new Response(ReadableStream.from([BIG, BIG])), // chunked and too long
  ];
  for (const answer of answers) {
    await using registry = fakeRegistry((_, url) => isBlob(url, image.layers[0]!) ? answer() : undefined);
    const image = await registry.image("latest", [BIG]);
    const sentence = await refusal(`${registry.host}/x`);
    assert(/has 1000 bytes of it where the manifest says|sends more than the \d+ bytes/.test(sentence), sentence);
  }
});

Deno.test("a blob that ends early with a proper end is refused after the attempts", async () => {
  await using registry = fakeRegistry((request, url) =>
    isBlob(url, image.layers[0]!) && !request.headers.has("range")
      ? new Response(ReadableStream.from([BIG.slice(0, 9)]))
      : isBlob(url, image.layers[0]!)
      ? new Response(null, { status: 416 })
      : undefined
  );
  const image = await registry.image("latest", [BIG]);
  assertStringIncludes(await refusal(`${registry.host}/x`), "has no more than 9 bytes");
});

Deno.test("each status is explained", async () => {
  const table: [status: number, headers: Record<string, string>, words: string][] = [
    [401, {}, `denies access (no entry); it may not exist, or need "mini login 127.0.0.1`],
    [403, {}, "denies access (no entry)"],
    [404, {}, "does not have it (no entry)"],
    [418, {}, "answers HTTP 418 (no entry)"],
    [429, { "retry-after": "0" }, "too many requests (no entry); try again later"],
    [500, {}, "answers HTTP 500 (no entry)"],
    [503, {}, "answers HTTP 503 (no entry)"],
  ];
  for (const [status, headers, words] of table) {
    await using registry = fakeRegistry(() =>
      Response.json({ errors: [{ code: "X", message: "no\x1b entry\n" }] }, {
        status,
        headers,
      })
    );
    assertStringIncludes(await refusal(`${registry.host}/x`), words);
    const attempts = registry.seen.filter(({ path }) => path.includes("manifests")).length;
    assertEquals(attempts, status === 429 || status >= 500 ? FAST.attempts : 1, `attempts after ${status}`);
  }
});

Deno.test("passing troubles are waited out", async () => {
  await using registry = fakeRegistry((_, _url, seen) => {
    if (seen === 1) return new Response("busy", { status: 503 });
    if (seen === 2) return new Response("slow down", { status: 429, headers: { "retry-after": "0" } });
    return undefined;
  });
  await registry.image("latest", [BIG]);
  await assertPulls(registry, "x");
});

Deno.test("a redirected blob is fetched without our credentials", async () => {
  let toElsewhere: Headers | undefined;
  await using elsewhere = fakeRegistry((request) => {
    toElsewhere = request.headers;
    return serveBytes(request, BIG, "application/octet-stream");
  });
  await using registry = fakeRegistry((request, url) => {
    if (!request.headers.has("authorization")) {
      return new Response(null, { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
    }
    if (!isBlob(url, image.layers[0]!)) return undefined;
    return new Response(null, { status: 307, headers: { location: `http://${elsewhere.host}/cdn?signature=1` } });
  });
  const image = await registry.image("latest", [BIG]);
  await assertPulls(registry, "x", { credentials: { username: "me", password: "secret" } });
  assertEquals(toElsewhere!.get("authorization"), null);
  assertEquals(
    [...toElsewhere!].filter(([, value]) => value.includes("secret") || value.includes(btoa("me:secret"))),
    [],
  );
});

Deno.test("redirects that lead nowhere are refused", async () => {
  const table: [location: string, words: string][] = [
    ["file:///etc/passwd", "no web address"],
    ["/v2/x/manifests/latest", "more than 10 times"],
    ["http://[", "no web address"],
  ];
  for (const [location, words] of table) {
    await using registry = fakeRegistry(() => new Response(null, { status: 302, headers: { location } }));
    assertStringIncludes(await refusal(`${registry.host}/x`), words);
  }
});

Deno.test("hostile manifests are refused", async () => {
  const layer = { mediaType: MediaType.ociLayer, digest: `sha256:${"a".repeat(64)}`, size: 5 };
  const config = { mediaType: MediaType.ociConfig, digest: `sha256:${"b".repeat(64)}`, size: 5 };
  const manifest = (more: object) => ({
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config,
    layers: [layer],
    ...more,
  });
  const table: [value: unknown, words: string][] = [
    ["x".repeat(5 << 20), "more than"],
    [`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, "nested deeper"],
    ["<html>sign in to the hotel's network</html>", "not valid JSON"],
    ["[]", "not a JSON object"],
    [{ schemaVersion: 1, name: "x", fsLayers: [] }, "old schema 1"],
    [manifest({ layers: [{ ...layer, size: -1 }] }), "impossible size"],
    [manifest({ layers: [{ ...layer, size: 1e300 }] }), "impossible size"],
    [manifest({ layers: [{ ...layer, size: 1.5 }] }), "impossible size"],
    [manifest({ layers: [{ ...layer, digest: "sha256:../../../etc" }] }), "malformed digest"],
    [manifest({ layers: [{ ...layer, mediaType: "application/x-evil" }] }), "cannot be unpacked"],
    [manifest({ layers: Array.from({ length: 5000 }, () => layer) }), "5000 entries"],
    [manifest({ config: { ...config, size: 1 << 30 } }), "more than the"],
    [manifest({ manifests: [] }), "both layers and manifests"],
    [{ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] }, "none at all"],
  ];
  for (const [value, words] of table) {
    await using registry = fakeRegistry();
    await registry.manifest(MediaType.ociManifest, value, "latest");
    assertStringIncludes(await refusal(`${registry.host}/x`), words);
  }
});

Deno.test("indexes within indexes are followed a little way", async () => {
  await using registry = fakeRegistry();
  const { digest } = await registry.image("image", [tarOf({ a: "b" })]);
  let entry = {
    mediaType: MediaType.ociManifest as string,
    digest,
    size: 0,
    platform: { os: "linux", architecture: "amd64" },
  };
  const bytes = await (await fetch(`http://${registry.host}/v2/x/manifests/${digest}`)).bytes();
  entry.size = bytes.length;
  for (let depth = 1; depth <= 6; depth++) {
    const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [entry] };
    entry = { ...await registry.manifest(MediaType.ociIndex, index, `depth${depth}`), platform: entry.platform };
  }
  const given = await options();
  using temporary = newStore();
  await pull(temporary.store, `${registry.host}/x:depth3`, { ...given, platform: "linux/amd64" });
  assertStringIncludes(
    await refusal(`${registry.host}/x:depth6`),
    Deno.build.arch === "x86_64" ? "deeper than 3" : "no image for",
  );
});

Deno.test("a configuration that does not fit its manifest is refused", async () => {
  await using registry = fakeRegistry();
  const layer = await registry.blob(MediaType.ociLayer, BIG);
  const cases: [config: unknown, words: string][] = [
    [configOf([]), "lists 0 layers and its manifest 1"],
    [configOf([`sha256:${"0".repeat(64)}`]), "it has the digest"],
    [{ ...configOf([layer.digest]), rootfs: { diff_ids: ["../../x"] } }, "malformed digest"],
    ["no object", "not a JSON object"],
  ];
  for (const [i, [value, words]] of cases.entries()) {
    const config = await registry.blob(MediaType.ociConfig, encode(value));
    await registry.manifest(MediaType.ociManifest, { schemaVersion: 2, config, layers: [layer] }, `case${i}`);
    assertStringIncludes(await refusal(`${registry.host}/x:case${i}`), words);
  }
});

Deno.test("a password is not sent to a token server in the clear", async () => {
  using transport = new Transport(1000);
  const challenge = parseChallenges('Bearer realm="http://token.invalid/token"')[0]!;
  const request = { registry: "r", challenge, scopes: [], insecure: false };
  const credentials = { username: "me", password: "secret" };
  await assertRejects(() => requestToken(transport, { ...request, credentials }), MiniError, "unencrypted");
  await assertRejects(
    () => requestToken(transport, { ...request, credentials: undefined }),
    MiniError,
    "cannot be reached",
  );
});

Deno.test("token servers that answer nonsense are told", async () => {
  const table: [answer: () => Response, words: string][] = [
    [() => new Response("<html>"), "not JSON"],
    [() => Response.json({}), "gives no token"],
    [() => Response.json({ token: "a\r\nb" }), "gives no token"],
    [() => Response.json({ token: 5 }), "gives no token"],
    [() => new Response("x".repeat(2 << 20)), "more than 1048576 bytes"],
    [() => Response.json({ details: "who are you" }, { status: 401 }), "refuses a token: who are you"],
    [() => new Response("", { status: 500 }), "HTTP 500"],
    [() => Response.json({ token: "fine" }), "denies access"],
  ];
  for (const [answer, words] of table) {
    await using registry = fakeRegistry((_, url) =>
      url.pathname === "/token" ? answer() : new Response(null, {
        status: 401,
        headers: { "www-authenticate": `Bearer realm="http://${registry.host}/token",service="x"` },
      })
    );
    assertStringIncludes(await refusal(`${registry.host}/x`), words);
  }
  await using registry = fakeRegistry(() =>
    new Response(null, { status: 401, headers: { "www-authenticate": `Bearer realm="nowhere"` } })
  );
  assertStringIncludes(await refusal(`${registry.host}/x`), "no address");
});

Deno.test("plain HTTP is for this machine only, unless it is allowed", async () => {
  await using registry = fakeRegistry(undefined, "0.0.0.0"); // reached like loopback, but not called so
  await registry.image("latest", [tarOf({ a: "b" })]);
  assertStringIncludes(await refusal(`${registry.host}/x`), "TLS handshake failed");
  await assertPulls(registry, "x", { environment: { MINI_INSECURE_REGISTRIES: `other ${registry.host}` } });
});

Deno.test("every mirror that failed is named", async () => {
  await using empty = fakeRegistry();
  using dead = deadAddress();
  const environment = {
    MINI_REGISTRY_MIRROR: `registry.invalid=http://${dead.host},registry.invalid=http://${empty.host}`,
  };
  const sentence = await refusal("registry.invalid/x:1", { environment });
  for (
    const words of [
      dead.host,
      "connection refused",
      empty.host,
      "does not have it",
      "registry.invalid cannot be reached",
    ]
  ) {
    assertStringIncludes(sentence, words);
  }
});

Deno.test("a mirror with damaged content is passed over", async () => {
  await using registry = fakeRegistry();
  const image = await registry.image("latest", [BIG]);
  await using mirror = fakeRegistry((_, url) =>
    isBlob(url, image.layers[0]!) ? new Response(new Uint8Array(BIG.length)) : undefined
  );
  await mirror.image("latest", [BIG]);
  await assertPulls(registry, "x", { environment: { MINI_REGISTRY_MIRROR: `${registry.host}=http://${mirror.host}` } });
});

Deno.test("a pull that is aborted leaves what it has for the next one", async () => {
  await using registry = fakeRegistry((_, url, seen) =>
    isBlob(url, image.layers[0]!) && seen === 1 ? stalled(BIG.slice(0, 1_000_000)) : undefined
  );
  const image = await registry.image("latest", [BIG]);
  using temporary = newStore();
  const { store } = temporary;
  const controller = new AbortController(), { signal } = controller;
  const progress: Progress = {
    ...silent,
    layer: (_id, _status, done) => {
      // When all is there that will come, and both sides wait.
      if (done === 1_000_000) setTimeout(() => controller.abort(), 200);
    },
  };
  await assertRejects(
    async () => pull(store, `${registry.host}/x`, { ...await options(), signal, progress }),
    DOMException,
  );
  assertNothingLeft(store);
  await pull(store, `${registry.host}/x`, await options());
  assertEquals(registry.seen.at(-1)!.headers.get("range"), "bytes=1000000-");
});

Deno.test("whatever is done to a manifest, it is read or refused in one sentence", async () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  await using registry = fakeRegistry();
  const { digest } = await registry.image("latest", [tarOf({ a: "b" })]);
  const good = new Uint8Array(await (await fetch(`http://${registry.host}/v2/x/manifests/${digest}`)).arrayBuffer());
  const pieces = ["-1", "1e999", "null", "{}", "[]", '""', "{", '"', ":", ",", "\u0000", "99999999999999999999", "../"];
  const given = await options();
  const rounds = Number(Deno.env.get("MINI_FUZZ_ROUNDS") ?? 300);
  using temporary = newStore();
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    let text = new TextDecoder("latin1").decode(good);
    for (let changes = 1 + random(3); changes > 0; changes--) {
      const at = random(text.length), length = random(4) === 0 ? random(40) : random(3);
      const piece = random(2) ? pieces[random(pieces.length)]! : String.fromCharCode(random(256));
      text = text.slice(0, at) + piece + text.slice(at + length);
    }
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    await registry.manifest(MediaType.ociManifest, bytes, `fuzz${round}`);
    try {
      await pull(temporary.store, `${registry.host}/x:fuzz${round}`, { ...given, platform: "linux/amd64" });
    } catch (error) {
      if (!(error instanceof MiniError)) throw new Error(`round ${round}: ${text}`, { cause: error });
      refused++;
    }
  }
  assert(refused > rounds / 2, `only ${refused} of ${rounds} were refused`);
});
