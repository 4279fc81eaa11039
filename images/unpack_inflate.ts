/** From the bytes of a layer as they are stored to the plain bytes of its archive: gzip, zstd or nothing. */
import { MiniError } from "../ffi/errors.ts";
import { ZstdFrames } from "./zstd_frames.ts";

/** Bytes in one piece of output: enough that the cost of a piece does not count, few enough to stay in the cache. */
const PIECE = 256 * 1024;

/** The compression that the first bytes tell; undefined for one that is known but not supported. */
export function detectCompression(start: Uint8Array): "none" | "gzip" | "zstd" | "bzip2" | "xz" {
  const begins = (...bytes: number[]) => bytes.every((byte, i) => start[i] === byte);
  if (begins(0x1f, 0x8b)) return "gzip";
  if (begins(0x28, 0xb5, 0x2f, 0xfd) || (begins(start[0]!, 0x2a, 0x4d, 0x18) && start[0]! >> 4 === 5)) return "zstd";
  if (begins(0x42, 0x5a, 0x68)) return "bzip2";
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a)) return "xz";
  return "none";
}

/**
 * Hands the plain bytes of `source` to `take`, piece by piece; a piece is valid only until `take` returns. `what` names
 * the source in messages.
 *
 * @throws {MiniError} if the compressed data is damaged or of a kind that is not supported, and whatever `take` throws.
 */
export async function inflate(
  source: AsyncIterable<Uint8Array>,
  take: (bytes: Uint8Array) => void,
  what: string,
): Promise<void> {
  let start = new Uint8Array();
  let rest: ((bytes: Uint8Array) => Promise<void> | void) | undefined;
  let end: () => Promise<void> | void = () => {};
  const begin = async () => {
    const compression = detectCompression(start);
    if (compression === "none") rest = take;
    else if (compression === "gzip" || compression === "zstd") {
      const inflater = await openInflater(compression, take, what);
      rest = inflater.write;
      end = inflater.end;
    } else {throw new MiniError(
        `${what} is compressed with ${compression}; only gzip, zstd and no compression are supported`,
      );}
    await rest(start);
  };
  for await (const chunk of source) {
    if (rest !== undefined) {
      const wait = rest(chunk);
      if (wait !== undefined) await wait;
      continue;
    }
    const longer = new Uint8Array(start.length + chunk.length);
    longer.set(start);
    longer.set(chunk, start.length);
    start = longer;
    if (start.length >= 8) await begin();
  }
  if (rest === undefined) await begin();
  await end();
}

/** node:zlib, driven by hand: `write` resolves when all its output has been taken. */
async function openInflater(kind: "gzip" | "zstd", take: (bytes: Uint8Array) => void, what: string) {
  const zlib = await import("node:zlib");
  const stream = kind === "gzip"
    ? zlib.createGunzip({ chunkSize: PIECE })
    : zlib.createZstdDecompress({ chunkSize: PIECE });
  const frames = kind === "zstd" ? new ZstdFrames(what) : undefined;
  let failure: unknown;
  let fail: (error: unknown) => void = () => {};
  const failed = (error: unknown) => {
    failure ??= error;
    fail(failure);
  };
  stream.on("data", (bytes: Uint8Array) => {
    if (failure !== undefined) return;
    try {
      // A Buffer's slice() shares its memory, a Uint8Array's copies it: those who keep a part want the copy.
      const { buffer, byteOffset, length } = bytes as Uint8Array<ArrayBuffer>;
      take(new Uint8Array(buffer, byteOffset, length));
      // A full piece is not used again. Given back at once, a pull's memory is half of what the collector would let it grow to.
      if (byteOffset + length === buffer.byteLength && buffer.byteLength === PIECE) buffer.transfer(0);
    } catch (error) {
      failed(error); // thrown here it would be nobody's
    }
  });
  stream.on("error", (error: Error) => failed(new MiniError(`${what} is damaged: ${kind} says ${error.message}`)));
  const run = (start: (done: () => void) => void) =>
    new Promise<void>((resolve, reject) => {
      fail = reject;
      if (failure !== undefined) reject(failure);
      else start(resolve);
    }).then(() => {
      if (failure !== undefined) throw failure;
    });
  const writePiece = (bytes: Uint8Array) => run((done) => stream.write(bytes, () => done()));
  return {
    async write(bytes: Uint8Array): Promise<void> {
      try {
        if (frames === undefined) return await writePiece(bytes);
        for (const piece of frames.split(bytes)) await writePiece(piece);
      } catch (error) {
        stream.destroy();
        throw error;
      }
    },
    async end(): Promise<void> {
      frames?.end();
      try {
        await run((done) => {
          stream.once("end", done);
          stream.end();
        });
      } finally {
        stream.destroy();
      }
    },
  };
}
