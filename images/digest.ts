/**
 * Digests: `sha256:<64 hex digits>` or `sha512:<128 hex digits>` (OCI image-spec, descriptor). Other algorithms are
 * refused, and so are capital letters: two spellings of one digest would be two files of one content.
 */
import { MiniError } from "../ffi/errors.ts";

/** The algorithms that are understood. */
export type DigestAlgorithm = "sha256" | "sha512";

const PATTERN = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Whether this is a well-formed digest of an algorithm we know. */
export function isDigest(text: string): boolean {
  return PATTERN.test(text);
}

/** Takes a digest apart. @throws {MiniError} if it is malformed. */
export function parseDigest(text: string): { algorithm: DigestAlgorithm; hex: string } {
  if (!isDigest(text)) {
    throw new MiniError(
      `${JSON.stringify(text.slice(0, 150))} is not a digest; one looks like sha256: and 64 hexadecimal digits`,
    );
  }
  return { algorithm: text.slice(0, 6) as DigestAlgorithm, hex: text.slice(7) };
}

/** Computes a digest piece by piece. */
export interface Hasher {
  /** Adds bytes; they are consumed before this returns. */
  update(bytes: Uint8Array): void;
  /** The digest of everything added, as `algorithm:hex`. To be called once. */
  digest(): string;
}

/** A hasher of the algorithm that `like` (a digest, or an algorithm's name) uses. */
export async function createHasher(like: string = "sha256"): Promise<Hasher> {
  const algorithm = like.split(":")[0]!;
  const { createHash } = await import("node:crypto");
  const hash = createHash(algorithm);
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => `${algorithm}:${hash.digest("hex")}`,
  };
}

/** The digest of bytes at hand; uses Web Crypto, so that nothing of Node is loaded for a small document. */
export async function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Promise<string> {
  const name = algorithm === "sha256" ? "SHA-256" : "SHA-512";
  const hash = await crypto.subtle.digest(name, bytes as Uint8Array<ArrayBuffer>);
  return `${algorithm}:${toHex(new Uint8Array(hash))}`;
}

/** Lower-case hexadecimal digits of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The twelve digits by which a person knows an image: `sha256:c059bfaa849c…` → `c059bfaa849c`. */
export function shortId(digest: string): string {
  return digest.slice(digest.indexOf(":") + 1, digest.indexOf(":") + 13);
}
