/** What can go wrong between us and a registry, each told in one sentence. */
import { MiniError } from "../ffi/errors.ts";
import type { Transient } from "./retry.ts";

/** A registry that cannot be reached, or refuses, or answers nonsense. */
export class RegistryError extends MiniError implements Transient {
  override name = "RegistryError";
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined;
  /** Whether another attempt may succeed. */
  readonly transient: boolean;
  readonly retryAfterMs: number | undefined;
  /** The registry's own error codes (distribution-spec, "error codes"), such as `MANIFEST_UNKNOWN`. */
  readonly codes: readonly string[];
  constructor(message: string, details: {
    status?: number;
    transient?: boolean;
    retryAfterMs?: number | undefined;
    codes?: readonly string[];
    cause?: unknown;
  } = {}) {
    super(message, undefined, details.cause === undefined ? undefined : { cause: details.cause });
    this.status = details.status;
    this.transient = details.transient ?? false;
    this.retryAfterMs = details.retryAfterMs;
    this.codes = details.codes ?? [];
  }
}

/** The statuses that pass: timeout, too early, too many requests, and a server's own troubles. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status === 500 || status >= 502 && status <= 504;
}

/** A foreign text made fit for a sentence: one line, no control characters, not long, without a final full stop. */
export function tame(text: string, longest = 200): string {
  // deno-lint-ignore no-control-regex -- they are what has to go
  const line = text.replace(/[\u0000-\u0020\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ").trim().replace(/\.$/, "");
  return line.length > longest ? `${line.slice(0, longest)}…` : line;
}

/** What a registry's error document says: `{"errors":[{"code","message","detail"}]}`, or a token server's `{"details"}`. */
export function parseErrorBody(body: string): { codes: string[]; message: string } {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { codes: [], message: "" }; // an HTML page of a proxy: of no use to a reader
  }
  const object = (json ?? {}) as {
    errors?: unknown;
    details?: unknown;
    message?: unknown;
    error_description?: unknown;
  };
  const errors = Array.isArray(object.errors) ? object.errors.slice(0, 5) : [];
  const codes: string[] = [], messages: string[] = [];
  for (const error of errors) {
    const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
    if (typeof code === "string") codes.push(tame(code, 60));
    if (typeof message === "string") messages.push(tame(message));
  }
  for (const text of [object.details, object.message, object.error_description]) {
    if (messages.length === 0 && typeof text === "string") messages.push(tame(text));
  }
  return { codes, message: messages.filter((text) => text !== "").join("; ") };
}

/** What a connection is said to have done that ended before its time. */
export const BROKE_OFF = "the connection broke off";

/**
 * What a failed `fetch` was about, in words: the deepest cause says more than `fetch failed`.
 *
 * Returns undefined for an error that is not the network's.
 */
export function describeNetworkError(
  error: unknown,
): { words: string; kind: "refused" | "dns" | "tls" | "other" } | undefined {
  if (!(error instanceof Error)) return undefined;
  const texts: string[] = [];
  for (let at: unknown = error; at instanceof Error && texts.length < 6; at = at.cause) texts.push(at.message);
  const all = texts.join(": ");
  if (/connection refused|ECONNREFUSED/i.test(all)) return { words: "connection refused", kind: "refused" };
  if (/dns error|ENOTFOUND|failed to lookup/i.test(all)) {
    return { words: "the host name cannot be resolved", kind: "dns" };
  }
  const certificate = /invalid peer certificate: (.*)$/i.exec(all)?.[1];
  if (certificate !== undefined) return { words: describeCertificate(certificate), kind: "tls" };
  if (
    /InvalidContentType|corrupt message|wrong version|HandshakeFailure|received fatal alert|tls handshake eof/i.test(
      all,
    )
  ) {
    return { words: `the TLS handshake failed (${tame(all.slice(all.lastIndexOf(": ") + 2), 100)})`, kind: "tls" };
  }
  if (
    /connection reset|ECONNRESET|broken pipe|connection closed|end of file|unexpected eof|incomplete|reading a body/i
      .test(all)
  ) {
    return { words: BROKE_OFF, kind: "other" };
  }
  if (
    /error sending request|error decoding|client error|connection error|os error|fetch failed/i
      .test(all)
  ) {
    const plain = all.slice(all.lastIndexOf("): ") < 0 ? 0 : all.lastIndexOf("): ") + 3);
    return { words: tame(plain.replace(/^error sending request for url \([^)]*\):? ?/, ""), 120), kind: "other" };
  }
  return undefined;
}

function describeCertificate(text: string): string {
  if (/UnknownIssuer/.test(text)) return "its certificate is signed by an unknown authority";
  if (/NotValidForName/.test(text)) return "its certificate is for another host name";
  if (/Expired/.test(text)) return "its certificate has expired";
  if (/NotValidYet/.test(text)) return "its certificate is not valid yet";
  if (/CaUsedAsEndEntity/.test(text)) return "its certificate is self-signed";
  return `its certificate is not valid (${tame(text, 80)})`;
}
