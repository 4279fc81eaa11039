/**
 * Writes tar archives: ustar, with a PAX header only for what ustar cannot say (long or large values, fractions of a
 * second, extended attributes, holes). The same files always give the same bytes.
 */
import { MiniError } from "../ffi/errors.ts";
import type { Time } from "../ffi/files.ts";
import type { TarType } from "./tar.ts";
import { BLOCK } from "./tar_fields.ts";

/** What is written of one entry; what is left out is 0 or empty. */
export interface TarHeader {
  type: TarType;
  path: string | Uint8Array;
  linkPath?: string | Uint8Array;
  mode: number;
  uid?: number;
  gid?: number;
  /** Bytes of content that follow (for a file with holes: of the pieces and their map). */
  size?: number;
  mtime?: Time;
  major?: number;
  minor?: number;
  xattrs?: readonly (readonly [name: string, value: Uint8Array])[];
  /** More PAX records, such as those of a file with holes. */
  records?: readonly (readonly [key: string, value: string | Uint8Array])[];
}

const TYPE_BYTES: Record<TarType, string> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

const encoder = new TextEncoder();
const toBytes = (text: string | Uint8Array) => typeof text === "string" ? encoder.encode(text) : text;

/** The two blocks of zeros at the end of every archive. */
export const TAR_END = new Uint8Array(2 * BLOCK);

/** The zeros that fill up content to a whole block. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - size % BLOCK) % BLOCK);
}

/** The header blocks of an entry. The content follows, and {@linkcode tarPadding}. */
export function tarHeader(header: TarHeader): Uint8Array {
  const path = toBytes(header.path), link = toBytes(header.linkPath ?? "");
  const { uid = 0, gid = 0, size = 0, mtime = { seconds: 0, nanoseconds: 0 } } = header;
  const records: [string, string | Uint8Array][] = [];
  if (path.length > 100) records.push(["path", path]);
  if (link.length > 100) records.push(["linkpath", link]);
  if (size > 0o77777777777) records.push(["size", String(size)]);
  if (uid > 0o7777777) records.push(["uid", String(uid)]);
  if (gid > 0o7777777) records.push(["gid", String(gid)]);
  if (mtime.seconds < 0 || mtime.seconds > 0o77777777777 || mtime.nanoseconds > 0) {
    records.push(["mtime", paxTime(mtime)]);
  }
  for (const [name, value] of header.xattrs ?? []) records.push([`SCHILY.xattr.${name}`, value]);
  records.push(...(header.records ?? []).map(([key, value]): [string, string | Uint8Array] => [key, value]));
  const main = ustar({ ...header, path, linkPath: link, uid, gid, size, mtime });
  if (records.length === 0) return main;
  const body = paxBody(records);
  return concat([
    ustar({ type: "file", path: encoder.encode("PaxHeaders/entry"), mode: 0o644, size: body.length }, "x"),
    body,
    tarPadding(body.length),
    main,
  ]);
}

function ustar(
  header: TarHeader & { path: Uint8Array; linkPath?: Uint8Array },
  typeByte = TYPE_BYTES[header.type],
): Uint8Array {
  const block = new Uint8Array(BLOCK);
  block.set(header.path.subarray(0, 100));
  if (header.linkPath) block.set(header.linkPath.subarray(0, 100), 157);
  const { mode, uid = 0, gid = 0, size = 0, major = 0, minor = 0 } = header;
  const seconds = header.mtime?.seconds ?? 0;
  octal(block, 100, 8, mode);
  octal(block, 108, 8, uid > 0o7777777 ? 0 : uid);
  octal(block, 116, 8, gid > 0o7777777 ? 0 : gid);
  octal(block, 124, 12, size > 0o77777777777 ? 0 : size);
  octal(block, 136, 12, seconds < 0 || seconds > 0o77777777777 ? 0 : seconds);
  block.set(encoder.encode(`        ${typeByte}`), 148);
  block.set(encoder.encode("ustar\x0000"), 257);
  if (header.type === "char" || header.type === "block") {
    octal(block, 329, 8, major);
    octal(block, 337, 8, minor);
  }
  let sum = 0;
  for (const byte of block) sum += byte;
  block.set(encoder.encode(sum.toString(8).padStart(6, "0") + "\0 "), 148);
  return block;
}

function octal(block: Uint8Array, at: number, length: number, value: number): void {
  const text = value.toString(8).padStart(length - 1, "0");
  if (text.length >= length) throw new MiniError(`${value} does not fit into a tar header`);
  block.set(encoder.encode(text), at);
}

/** `length key=value\n` records, where the length counts itself. */
function paxBody(records: [string, string | Uint8Array][]): Uint8Array {
  return concat(records.map(([key, value]) => {
    const rest = concat([encoder.encode(` ${key}=`), toBytes(value), encoder.encode("\n")]);
    let length = rest.length + 1;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    return concat([encoder.encode(String(length)), rest]);
  }));
}

function paxTime({ seconds, nanoseconds }: Time): string {
  if (nanoseconds === 0) return String(seconds);
  // 0.75 s after -2 is -1.25.
  const [whole, rest] = seconds < 0 ? [-(seconds + 1), 1e9 - nanoseconds] : [seconds, nanoseconds];
  return `${seconds < 0 ? "-" : ""}${whole}.${String(rest).padStart(9, "0").replace(/0+$/, "")}`;
}

function concat(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
