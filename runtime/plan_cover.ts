/** A root that covers the host's, instead of taking its place: loaded only for whoever asks for that. */
import { MNT_DETACH, MS_MOVE, MS_RDONLY } from "../ffi/constants.ts";
import { op, type Operation, result } from "../ffi/program.ts";
import { ROOT } from "./plan_paths.ts";

/** Octal escapes of proc_pid_mountinfo(5). */
const plain = (path: string) => path.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));

/**
 * The mount points of every procfs and sysfs, those that were mounted last first.
 *
 * @param mountinfo of /proc/self/mountinfo.
 */
export function kernelMounts(mountinfo: string): string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - "), point = before.split(" ")[4];
    return point !== undefined && /^(proc|sysfs) /.test(after) ? [plain(point)] : [];
  }).reverse();
}

/**
 * Without pivot_root(2), which a root on a ramdisk refuses: the root's mount covers the host's. Whoever in the container makes a
 * user namespace may mount what is visible in full already, and that is the host's /proc, covered or not: mount_namespaces(7).
 *
 * @param revealing the host's mount points of that kind.
 */
export function coverOperations(revealing: readonly string[]): Operation[] {
  return [
    op("fchdir", [result(ROOT)], "into the new root"),
    ...revealing.flatMap((point, i) => [
      op("umount2", [point, MNT_DETACH], `nothing of the host's ${point} stays below`, {
        on: point,
        optional: true,
        jump: { when: "=", to: `revealing ${i}` },
      }),
      // In a user namespace the host's mounts cannot be taken away.
      op("mount", ["none", point, "tmpfs", MS_RDONLY, "mode=0"], `hide the host's ${point}`, { on: point }),
      op("add", [0, 0], "it is gone", { name: `revealing ${i}` }),
    ]),
    op("mount", [".", "/", 0, MS_MOVE, 0], "it covers the old one", { on: "/" }),
    op("chroot", ["."], "it is the root now", { on: "/" }),
    op("chdir", ["/"], "the new root"),
  ];
}
