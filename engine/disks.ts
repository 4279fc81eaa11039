/** Disks and other devices of the host, by their nodes in /dev. */
import { isThere } from "../ffi/is_there.ts";
import { MiniError } from "../ffi/errors.ts";

/** The numbers of a device, out of st_rdev of stat(2): makedev(3). */
export function majorMinor(rdev: number): { major: number; minor: number } {
  const all = BigInt(rdev);
  return {
    major: Number((all >> 8n & 0xfffn) | (all >> 32n & 0xfffff000n)),
    minor: Number((all & 0xffn) | (all >> 12n & 0xffffff00n)),
  };
}

/** @throws {MiniError} for what is no disk, and for a part of one, which no rate can be set for. */
export function diskNumbers(path: string): { major: number; minor: number } {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    throw new MiniError(
      error instanceof Deno.errors.NotFound
        ? `there is no disk ${path}; 'lsblk -p' lists them`
        : `cannot look at the disk ${path}: ${(error as Error).message}`,
    );
  }
  if (!info.isBlockDevice) throw new MiniError(`${path} is not a disk; 'lsblk -p' lists them`);
  const numbers = majorMinor(info.rdev ?? 0), system = `/sys/dev/block/${numbers.major}:${numbers.minor}`;
  if (isThere(`${system}/partition`)) {
    const disk = Deno.realPathSync(`${system}/..`).split("/").at(-1);
    throw new MiniError(`${path} is a part of a disk, and limits are for whole disks: give /dev/${disk}`);
  }
  return numbers;
}
