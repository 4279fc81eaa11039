/**
 * The one file that this program is: where it lies, how it was called, and what was put into it when it was built.
 *
 * The program runs in three ways: as `./mini` made by tools/single_file (its code is read from its own end), as `./mini`
 * made by `deno compile`, and from its source by `deno run`. Nothing here is done before it is asked for.
 */

/** In a file made by tools/single_file, what stands for import.meta.url. */
const IN_SINGLE_FILE = "mini:";

/** The last bytes of a file made by tools/single_file. */
const MAGIC = "mini-end";
/** Behind the index: where it begins (8 bytes, little-endian) and MAGIC. */
const TRAILER_BYTES = 16;

/** Where an embedded file lies in the one file: offset and length in bytes. */
type Index = Record<string, readonly [offset: number, length: number]>;

/** Whether the program runs as one file (not from its source). */
export function isBuilt(): boolean {
  return import.meta.url === IN_SINGLE_FILE || Deno.build.standalone;
}

/** The executable file that this process runs: `mini`, or `deno` when run from the source. A path that works for every
 * process on this host, also after the file was replaced by a newer one. */
export function selfPath(): string {
  const path = Deno.readLinkSync("/proc/self/exe");
  return path.endsWith(" (deleted)") ? `/proc/${Deno.pid}/exe` : path;
}

/** The beginning of a command line that starts this program again; the arguments follow. */
export function selfCommand(): string[] {
  return isBuilt() ? [selfPath()] : [selfPath(), "run", "-A", "--quiet", mainModule()];
}

/** The address of the program's main module, for `new Worker(…)`. main.ts sees from `self.name` that it is in a worker. */
export function mainModule(): string {
  return isBuilt() ? Deno.mainModule : new URL("../main.ts", import.meta.url).href;
}

/** The name that this program was called by, without folders: `mini`, or that of a link to it. */
export function calledAs(): string {
  if (!isBuilt()) return "mini";
  // Deno shows the path of the executable only. What the caller wrote is where the kernel keeps it.
  const [name] = new TextDecoder().decode(Deno.readFileSync("/proc/self/cmdline")).split("\0", 1);
  return name?.slice(name.lastIndexOf("/") + 1) || "mini";
}

/**
 * The environment that the user gave this program, for `-e NAME` and for other programs that it starts.
 *
 * Deno.env is not the same: in the one file, variables that would change how Deno itself behaves are taken out before
 * Deno starts, and some are put in. The kernel keeps what was given.
 */
export function userEnvironment(): Record<string, string> {
  if (import.meta.url !== IN_SINGLE_FILE) return Deno.env.toObject();
  const given: Record<string, string> = {};
  for (const entry of new TextDecoder().decode(Deno.readFileSync("/proc/self/environ")).split("\0")) {
    const equals = entry.indexOf("=", 1);
    // The first of two entries with one name holds, as in getenv(3).
    if (equals > 0) given[entry.slice(0, equals)] ??= entry.slice(equals + 1);
  }
  return given;
}

/**
 * A file that the build put into the program, or undefined if it put none of this name in.
 *
 * From the source, it is read from the folder build/. Throws what Deno throws when a file cannot be read.
 */
export function embedded(name: string): Uint8Array<ArrayBuffer> | undefined {
  if (import.meta.url !== IN_SINGLE_FILE) {
    try {
      // Compiled, this module is build/mini.js, with the embedded files beside it.
      return Deno.readFileSync(new URL(Deno.build.standalone ? name : `../build/${name}`, import.meta.url));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }
  using file = Deno.openSync("/proc/self/exe");
  const size = file.statSync().size;
  const trailer = readAt(file, size - TRAILER_BYTES, TRAILER_BYTES);
  if (new TextDecoder().decode(trailer.subarray(8)) !== MAGIC) throw new Error("the end of the mini file is missing");
  const start = Number(new DataView(trailer.buffer).getBigUint64(0, true));
  const index: Index = JSON.parse(new TextDecoder().decode(readAt(file, start, size - TRAILER_BYTES - start)));
  const entry = Object.hasOwn(index, name) ? index[name] : undefined;
  return entry && readAt(file, ...entry);
}

/** What tools/single_file appends behind the embedded files. `start` is where the index itself will begin. */
export function encodeIndex(index: Index, start: number): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(index));
  const bytes = new Uint8Array(text.length + TRAILER_BYTES);
  bytes.set(text);
  new DataView(bytes.buffer).setBigUint64(text.length, BigInt(start), true);
  bytes.set(new TextEncoder().encode(MAGIC), text.length + 8);
  return bytes;
}

function readAt(file: Deno.FsFile, offset: number, length: number): Uint8Array<ArrayBuffer> {
  file.seekSync(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const read = file.readSync(bytes.subarray(done));
    if (read === null) throw new Error("the mini file is shorter than it was when it was built");
    done += read;
  }
  return bytes;
}
