/**
 * The documents an image is made of, as OCI image-spec 1.1 and Docker's "schema 2" write them, and the parsers that
 * turn untrusted bytes into them. Whatever a parser returns has been checked: digests are well formed, sizes are
 * whole numbers that are not negative, lists are bounded. Fields nobody reads are passed over, never refused.
 */
import { MiniError } from "../ffi/errors.ts";
import { isDigest } from "./digest.ts";

/** Media types of the documents and layers that are understood. */
export const MediaType = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  ociLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociLayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
} as const;

/** Bounds on what an image may ask for; each is far above any real image. */
export const Limits = {
  /** Bytes of a manifest or an index (the distribution specification asks registries to take at least 4 MiB). */
  manifestBytes: 4 * 1024 * 1024,
  /** Bytes of an image configuration. */
  configBytes: 8 * 1024 * 1024,
  /** Nesting of any JSON document. */
  jsonDepth: 32,
  /** Layers of one image. */
  layers: 1000,
  /** Entries of one index. */
  manifests: 10_000,
  /** Bytes of one compressed layer. */
  blobBytes: 256 * 1024 ** 3,
} as const;

/** What kind of compression a layer's media type promises. */
export type Compression = "none" | "gzip" | "zstd";

/** A machine an image is made for, as in an index entry. */
export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
  "os.version"?: string;
}

/** A reference to content by digest (OCI image-spec, descriptor). */
export interface Descriptor {
  mediaType: string;
  digest: string;
  /** Bytes of the content. */
  size: number;
  annotations?: Record<string, string>;
  platform?: Platform;
  /** The kind of an artifact that is no image, for example an attestation. */
  artifactType?: string;
}

/** One image for one platform. */
export interface Manifest {
  schemaVersion: 2;
  mediaType: string;
  config: Descriptor;
  layers: Descriptor[];
  annotations?: Record<string, string>;
}

/** Several manifests, usually of one image for several platforms. */
export interface Index {
  schemaVersion: 2;
  mediaType: string;
  manifests: Descriptor[];
  annotations?: Record<string, string>;
}

/** How a health check runs; times in nanoseconds, as Docker writes them. */
export interface HealthConfig {
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

/** How a container of the image is started (OCI image-spec, `config` of the configuration, and Docker's additions). */
export interface ContainerConfig {
  User?: string;
  ExposedPorts?: Record<string, Record<string, never>>;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  Volumes?: Record<string, Record<string, never>>;
  WorkingDir?: string;
  Labels?: Record<string, string>;
  StopSignal?: string;
  Healthcheck?: HealthConfig;
  Shell?: string[];
  OnBuild?: string[];
}

/** One line of an image's history. */
export interface HistoryEntry {
  created?: string;
  created_by?: string;
  author?: string;
  comment?: string;
  /** True if this step made no layer. */
  empty_layer?: boolean;
}

/** An image's configuration; its digest is the image's ID. */
export interface ImageConfig {
  architecture: string;
  os: string;
  variant?: string;
  "os.version"?: string;
  created?: string;
  author?: string;
  config: ContainerConfig;
  rootfs: { type: "layers"; diff_ids: string[] };
  history: HistoryEntry[];
}

type Json = Record<string, unknown>;

/**
 * Parses JSON that somebody else wrote: at most `maxBytes`, valid UTF-8, an object, not nested deeper than
 * {@linkcode Limits.jsonDepth}. `what` names it in the message: "manifest of alpine".
 *
 * @throws {MiniError} if it is anything else.
 */
export function parseJsonObject(bytes: Uint8Array, what: string, maxBytes: number = Limits.manifestBytes): Json {
  if (bytes.length > maxBytes) {
    throw new MiniError(`${what} has ${bytes.length} bytes, more than the ${maxBytes} allowed`);
  }
  if (nesting(bytes) > Limits.jsonDepth) {
    throw new MiniError(`${what} is nested deeper than ${Limits.jsonDepth} levels`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new MiniError(`${what} is not valid JSON: ${(error as Error).message.split("\n")[0]}`);
  }
  return object(value, what);
}

/** The deepest nesting of brackets outside of strings, counted before a parser could recurse. */
function nesting(bytes: Uint8Array): number {
  let depth = 0, deepest = 0, inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i];
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (c === 0x7d || c === 0x5d) depth--;
  }
  return deepest;
}

/** Parses a manifest. @throws {MiniError} if it is not a valid one of OCI or Docker schema 2. */
export function parseManifest(bytes: Uint8Array, what: string): Manifest {
  const document = parseDocument(bytes, what);
  if (!isManifest(document)) throw new MiniError(`${what} is an index of several images where one image was expected`);
  return document;
}

/** Parses an index ("manifest list"). @throws {MiniError} if it is not a valid one of OCI or Docker schema 2. */
export function parseIndex(bytes: Uint8Array, what: string): Index {
  const document = parseDocument(bytes, what);
  if (isManifest(document)) throw new MiniError(`${what} is a single image where an index was expected`);
  return document;
}

/** Tells the two apart that {@linkcode parseDocument} returns. */
export function isManifest(document: Manifest | Index): document is Manifest {
  return "layers" in document;
}

/**
 * Parses a manifest or an index, whichever it says it is. A document without a media type of its own (OCI allows that)
 * is recognised by `mediaTypeHint`, for example the registry's Content-Type, or by its fields.
 *
 * @throws {MiniError} if it is neither, is Docker's old schema 1, or any field is malformed.
 */
export function parseDocument(bytes: Uint8Array, what: string, mediaTypeHint?: string): Manifest | Index {
  const json = parseJsonObject(bytes, what);
  if (json.schemaVersion === 1) {
    throw new MiniError(
      `${what} has Docker's old schema 1, which is not supported; push the image again with a current tool`,
    );
  }
  if (json.schemaVersion !== 2) throw new MiniError(`${what} has no schemaVersion 2`);
  if (json.layers !== undefined && json.manifests !== undefined) {
    throw new MiniError(`${what} has both layers and manifests, which is ambiguous`);
  }
  const hint = mediaTypeHint?.split(";")[0]?.trim();
  const known = hint !== undefined && (Object.values(MediaType) as string[]).includes(hint) ? hint : undefined;
  const mediaType = optionalString(json.mediaType, `${what}: mediaType`) ?? known ??
    (json.manifests !== undefined ? MediaType.ociIndex : MediaType.ociManifest);
  const annotations = stringMap(json.annotations, `${what}: annotations`);
  if (mediaType === MediaType.ociIndex || mediaType === MediaType.dockerList) {
    const manifests = list(json.manifests, `${what}: manifests`, Limits.manifests)
      .map((entry, i) => parseDescriptor(entry, `${what}: manifests[${i}]`));
    return { schemaVersion: 2, mediaType, manifests, ...(annotations && { annotations }) };
  }
  if (mediaType !== MediaType.ociManifest && mediaType !== MediaType.dockerManifest) {
    throw new MiniError(`${what} has the media type ${quote(mediaType)}, which is no image`);
  }
  const layers = list(json.layers, `${what}: layers`, Limits.layers)
    .map((entry, i) => parseDescriptor(entry, `${what}: layers[${i}]`));
  const config = parseDescriptor(json.config, `${what}: config`);
  return { schemaVersion: 2, mediaType, config, layers, ...(annotations && { annotations }) };
}

/** Parses one descriptor. @throws {MiniError} if its digest, size or media type is malformed. */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  const json = object(value, what);
  const digest = json.digest, size = json.size, mediaType = json.mediaType;
  if (typeof digest !== "string" || !isDigest(digest)) {
    throw new MiniError(`${what} has the malformed digest ${quote(digest)}`);
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0 || size > Limits.blobBytes) {
    throw new MiniError(`${what} has the impossible size ${quote(size)}`);
  }
  if (typeof mediaType !== "string" || !/^[\x21-\x7e]{1,255}$/.test(mediaType)) {
    throw new MiniError(`${what} has the malformed media type ${quote(mediaType)}`);
  }
  const descriptor: Descriptor = { mediaType, digest, size };
  const annotations = stringMap(json.annotations, `${what}: annotations`);
  if (annotations) descriptor.annotations = annotations;
  const artifactType = optionalString(json.artifactType, `${what}: artifactType`);
  if (artifactType) descriptor.artifactType = artifactType;
  if (json.platform !== undefined && json.platform !== null) {
    descriptor.platform = parsePlatform(object(json.platform, `${what}: platform`), `${what}: platform`);
  }
  return descriptor;
}

function parsePlatform(json: Json, what: string): Platform {
  const platform: Platform = {
    os: string(json.os, `${what}: os`),
    architecture: string(json.architecture, `${what}: architecture`),
  };
  const variant = optionalString(json.variant, `${what}: variant`);
  if (variant) platform.variant = variant;
  const version = optionalString(json["os.version"], `${what}: os.version`);
  if (version) platform["os.version"] = version;
  return platform;
}

/** Parses an image's configuration. @throws {MiniError} if a field that is used is malformed. */
export function parseImageConfig(bytes: Uint8Array, what: string): ImageConfig {
  const json = parseJsonObject(bytes, what, Limits.configBytes);
  const rootfs = object(json.rootfs, `${what}: rootfs`);
  const diffIDs = list(rootfs.diff_ids ?? [], `${what}: rootfs.diff_ids`, Limits.layers);
  for (const id of diffIDs) {
    if (typeof id !== "string" || !isDigest(id)) {
      throw new MiniError(`${what}: rootfs has the malformed digest ${quote(id)}`);
    }
  }
  const config: ImageConfig = {
    architecture: string(json.architecture, `${what}: architecture`),
    os: string(json.os, `${what}: os`),
    config: parseContainerConfig(json.config ?? {}, `${what}: config`),
    rootfs: { type: "layers", diff_ids: diffIDs as string[] },
    history: list(json.history ?? [], `${what}: history`, 10 * Limits.layers)
      .map((entry, i) => parseHistory(entry, `${what}: history[${i}]`)),
  };
  for (const key of ["variant", "os.version", "created", "author"] as const) {
    const text = optionalString(json[key], `${what}: ${key}`);
    if (text) config[key] = text;
  }
  return config;
}

function parseHistory(value: unknown, what: string): HistoryEntry {
  const json = object(value, what);
  const entry: HistoryEntry = {};
  for (const key of ["created", "created_by", "author", "comment"] as const) {
    const text = optionalString(json[key], `${what}: ${key}`);
    if (text !== undefined) entry[key] = text;
  }
  if (json.empty_layer === true) entry.empty_layer = true;
  return entry;
}

/** Parses the part that says how a container is started. @throws {MiniError} if a field is malformed. */
export function parseContainerConfig(value: unknown, what: string): ContainerConfig {
  const json = object(value, what);
  const config: ContainerConfig = {};
  for (const key of ["User", "WorkingDir", "StopSignal"] as const) {
    const text = optionalString(json[key], `${what}: ${key}`);
    if (text) config[key] = text;
  }
  for (const key of ["Env", "Entrypoint", "Cmd", "Shell", "OnBuild"] as const) {
    const strings = stringList(json[key], `${what}: ${key}`);
    if (strings) config[key] = strings;
  }
  const labels = stringMap(json.Labels, `${what}: Labels`);
  if (labels) config.Labels = labels;
  for (const key of ["ExposedPorts", "Volumes"] as const) {
    if (json[key] === undefined || json[key] === null) continue;
    const names = Object.keys(object(json[key], `${what}: ${key}`));
    config[key] = Object.fromEntries(names.map((name) => [name, {}]));
  }
  if (json.Healthcheck !== undefined && json.Healthcheck !== null) {
    config.Healthcheck = parseHealth(object(json.Healthcheck, `${what}: Healthcheck`), `${what}: Healthcheck`);
  }
  return config;
}

function parseHealth(json: Json, what: string): HealthConfig {
  const health: HealthConfig = {};
  const test = stringList(json.Test, `${what}: Test`);
  if (test) health.Test = test;
  for (const key of ["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"] as const) {
    const number = json[key];
    if (number === undefined || number === null) continue;
    if (typeof number !== "number" || !Number.isInteger(number) || number < 0) {
      throw new MiniError(`${what}: ${key} is ${quote(number)}, not a whole number`);
    }
    health[key] = number;
  }
  return health;
}

/**
 * The compression a layer's media type promises.
 *
 * @throws {MiniError} if the media type is no layer we can unpack (for example an encrypted one).
 */
export function layerCompression(mediaType: string): Compression {
  switch (mediaType) {
    case MediaType.ociLayer:
    case MediaType.dockerLayer:
    case "application/vnd.oci.image.layer.nondistributable.v1.tar":
      return "none";
    case MediaType.ociLayerGzip:
    case MediaType.dockerLayerGzip:
    case "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":
    case "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip":
      return "gzip";
    case MediaType.ociLayerZstd:
    case MediaType.dockerLayerZstd:
    case "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd":
      return "zstd";
  }
  throw new MiniError(`a layer has the media type ${quote(mediaType)}, which cannot be unpacked`);
}

function object(value: unknown, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new MiniError(`${what} is not a JSON object`);
  }
  return value as Json;
}

function list(value: unknown, what: string, most: number): unknown[] {
  if (!Array.isArray(value)) throw new MiniError(`${what} is not a list`);
  if (value.length > most) throw new MiniError(`${what} has ${value.length} entries, more than the ${most} allowed`);
  return value;
}

function string(value: unknown, what: string): string {
  if (typeof value !== "string") throw new MiniError(`${what} is not a string`);
  return value;
}

/** A string, or undefined where the field is missing, null or of Go's zero value. */
function optionalString(value: unknown, what: string): string | undefined {
  return value === undefined || value === null ? undefined : string(value, what);
}

function stringList(value: unknown, what: string): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  return list(value, what, 100_000).map((item, i) => string(item, `${what}[${i}]`));
}

function stringMap(value: unknown, what: string): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  return Object.fromEntries(
    Object.entries(object(value, what)).map(([key, text]) => [key, string(text, `${what}: ${key}`)]),
  );
}

/** A value of somebody else's in a message: as JSON, cut short, so that no control character reaches a terminal. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
