import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import {
  layerCompression,
  Limits,
  MediaType,
  parseDocument,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from "./types.ts";

const encode = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const DIGEST = `sha256:${"a".repeat(64)}`;
const layer = { mediaType: MediaType.ociLayerGzip, digest: DIGEST, size: 5 };
const manifest = {
  schemaVersion: 2,
  mediaType: MediaType.ociManifest,
  config: { mediaType: MediaType.ociConfig, digest: DIGEST, size: 2 },
  layers: [layer],
};
const config = {
  architecture: "amd64",
  os: "linux",
  config: { Cmd: ["sh"] },
  rootfs: { type: "layers", diff_ids: [DIGEST] },
};

Deno.test("manifests of OCI and Docker are read, with and without a media type", () => {
  assertEquals(parseManifest(encode(manifest), "x"), manifest as ReturnType<typeof parseManifest>);
  const { mediaType: _, ...bare } = manifest;
  assertEquals(parseManifest(encode(bare), "x").mediaType, MediaType.ociManifest);
  assertEquals(
    parseDocument(encode(bare), "x", `${MediaType.dockerManifest}; charset=utf-8`).mediaType,
    MediaType.dockerManifest,
  );
  const index = {
    schemaVersion: 2,
    manifests: [{ ...layer, platform: { os: "linux", architecture: "arm", variant: "v7" } }],
  };
  const entry = parseIndex(encode(index), "x").manifests[0]!;
  assertEquals(entry.platform, { os: "linux", architecture: "arm", variant: "v7" });
});

Deno.test("a configuration is read as Docker and OCI tools write it, with null for what is missing", () => {
  const read = parseImageConfig(
    encode({ ...config, config: { Cmd: null, Env: ["A=1"], Volumes: { "/v": {} }, Labels: null }, history: null }),
    "x",
  );
  assertEquals(read.config, { Env: ["A=1"], Volumes: { "/v": {} } });
  assertEquals(read.history, []);
});

Deno.test("a hostile document is refused in one sentence that names it", () => {
  const refused = (parse: () => unknown, why: string) => {
    const { message } = assertThrows(parse, MiniError);
    assert(message.startsWith("the X") && message.includes(why) && !message.includes("\n"), message);
  };
  const bad = (change: Record<string, unknown>, why: string) =>
    refused(() => parseManifest(encode({ ...manifest, ...change }), "the X"), why);
  bad({ schemaVersion: 1 }, "schema 1");
  bad({ schemaVersion: "2" }, "schemaVersion");
  bad({ mediaType: "text/html" }, "text/html");
  bad({ mediaType: 7 }, "not a string");
  bad({ layers: {} }, "not a list");
  bad({ layers: new Array(Limits.layers + 1).fill(layer) }, "more than");
  bad({ layers: [{ ...layer, size: -1 }] }, "layers[0] has the impossible size -1");
  bad({ layers: [{ ...layer, size: 1e300 }] }, "impossible size");
  bad({ layers: [{ ...layer, size: 1.5 }] }, "impossible size");
  bad({ layers: [{ ...layer, size: "5" }] }, "impossible size");
  bad({ layers: [{ ...layer, digest: "sha256:../../../etc" }] }, "malformed digest");
  bad({ layers: [{ ...layer, mediaType: "a\u001b[2Jb" }] }, "media type");
  bad({ layers: [null] }, "not a JSON object");
  bad({ config: undefined }, "config is not");
  bad({ manifests: [] }, "ambiguous");
  bad({ annotations: { a: 1 } }, "annotations");
  refused(() => parseManifest(encode({ schemaVersion: 2, manifests: [] }), "the X"), "index");
  refused(() => parseIndex(encode(manifest), "the X"), "single image");
  refused(() => parseManifest(encode("[".repeat(100000)), "the X"), "nested");
  refused(() => parseManifest(encode('{"a":"' + "[".repeat(100) + '"}'), "the X"), "schemaVersion");
  refused(() => parseManifest(encode("{"), "the X"), "JSON");
  refused(() => parseManifest(encode("null"), "the X"), "not a JSON object");
  refused(() => parseManifest(new Uint8Array([0x22, 0xff, 0x22]), "the X"), "JSON");
  refused(() => parseManifest(new Uint8Array(Limits.manifestBytes + 1), "the X"), "more than");
  const badConfig = (change: Record<string, unknown>, why: string) =>
    refused(() => parseImageConfig(encode({ ...config, ...change }), "the X"), why);
  badConfig({ rootfs: { diff_ids: ["x"] } }, "malformed digest");
  badConfig({ rootfs: null }, "rootfs");
  badConfig({ config: { Cmd: "sh" } }, "Cmd");
  badConfig({ config: { Env: [1] } }, "Env[0]");
  badConfig({ config: { Healthcheck: { Interval: -5 } } }, "Interval");
  badConfig({ os: 3 }, "os");
  badConfig({ history: [3] }, "history[0]");
});

Deno.test("a layer's media type tells its compression, and others are refused", () => {
  assertEquals(layerCompression(MediaType.dockerLayerGzip), "gzip");
  assertEquals(layerCompression(MediaType.ociLayerZstd), "zstd");
  assertEquals(layerCompression(MediaType.ociLayer), "none");
  assertThrows(
    () => layerCompression("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
    MiniError,
    "cannot be unpacked",
  );
});

Deno.test("whatever JSON comes, the parsers end with a document or one sentence", () => {
  const parts = [manifest, config, layer, DIGEST, null, [], {}, -1, 1e99, "", true, [layer], { a: manifest }];
  const keys = [
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "digest",
    "size",
    "rootfs",
    "history",
    "os",
    "annotations",
    "__proto__",
    "Env",
    "Labels",
  ];
  let seed = 12345;
  const next = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  for (let round = 0; round < 20000; round++) {
    const value: Record<string, unknown> = { ...[manifest, config, { ...manifest, manifests: [layer] }][next(3)] };
    const set = (target: Record<string, unknown>, item: unknown) => {
      const key = keys[next(keys.length)]!;
      Object.defineProperty(target, key, { value: item, enumerable: true, configurable: true, writable: true });
    };
    for (let i = 0; i <= next(4); i++) {
      if (next(3) === 0) {
        const inner = { ...(value[keys[next(keys.length)]!] as object) };
        set(inner, parts[next(parts.length)]);
        set(value, inner);
      } else set(value, parts[next(parts.length)]);
    }
    for (const parse of [parseDocument, parseImageConfig]) {
      try {
        parse(encode(value), "the X");
      } catch (error) {
        if (!(error instanceof MiniError)) throw error;
      }
    }
  }
});
