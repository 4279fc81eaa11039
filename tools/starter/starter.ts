/** Makes build/starter.tar.gz from Debian's busybox-static, for a build to embed. */
import { gzipSync } from "node:zlib";
import { rootfs } from "./rootfs.ts";
import { tar } from "./tar.ts";

/** Where Debian's package puts the executable; it may be on this machine already. */
const INSTALLED = "/bin/busybox";

/** Runs a program and returns what it prints, or undefined if it is not there. Throws if it fails. */
function output(command: string, args: string[], cwd?: string): Uint8Array | undefined {
  try {
    const { success, stdout, stderr } = new Deno.Command(command, { args, stdin: "null", ...cwd && { cwd } })
      .outputSync();
    if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
    return stdout;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether this is an ELF executable that needs no dynamic linker: a container has none. */
export function isStaticElf(bytes: Uint8Array<ArrayBuffer>): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f454c46 || bytes[4] !== 2) return false;
  const [headers, size, count] = [
    Number(view.getBigUint64(32, true)),
    view.getUint16(54, true),
    view.getUint16(56, true),
  ];
  const PT_INTERP = 3;
  return Array.from({ length: count }, (_, i) => view.getUint32(headers + i * size, true)).every((t) =>
    t !== PT_INTERP
  );
}

/** Gets the package with apt into `folder` without installing it. Returns undefined if there is no apt. */
function download(folder: string): string | undefined {
  Deno.mkdirSync(folder, { recursive: true });
  const get = () => output("apt-get", ["-qq", "download", "busybox-static"], folder);
  let answer: Uint8Array | undefined;
  try {
    answer = get();
  } catch {
    // A fresh machine has no list of packages yet. If updating it is not enough, that failure is the one to tell.
    output("apt-get", ["-qq", "update"]);
    answer = get();
  }
  if (answer === undefined) return undefined;
  const packages = [...Deno.readDirSync(folder)].filter((entry) => entry.name.endsWith(".deb"));
  for (const { name } of packages) output("dpkg-deb", ["-x", `${folder}/${name}`, folder]);
  return [`${folder}/bin/busybox`, `${folder}/usr/bin/busybox`].find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
}

/** The path of a static busybox for this machine, or undefined with the reason why there is none. */
function findBusybox(folder: string): { path: string } | { missing: string } {
  try {
    if (isStaticElf(Deno.readFileSync(INSTALLED))) return { path: INSTALLED };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  try {
    const path = download(folder);
    return path
      ? { path }
      : { missing: `there is no static ${INSTALLED} and no apt-get to download busybox-static with` };
  } catch (error) {
    return { missing: `busybox-static cannot be downloaded: ${error instanceof Error ? error.message : error}` };
  }
}

/**
 * Writes the archive to `path` and returns undefined, or the sentence that says why it cannot be made.
 *
 * @param folder where a package may be unpacked
 */
export function makeStarter(path: string, folder: string): string | undefined {
  const found = findBusybox(folder);
  if ("missing" in found) return found.missing;
  const list = new TextDecoder().decode(output(found.path, ["--list-full"]));
  const archive = tar(rootfs(Deno.readFileSync(found.path), list.trim().split("\n")));
  Deno.writeFileSync(path, gzipSync(archive, { level: 9 }));
  return undefined;
}
