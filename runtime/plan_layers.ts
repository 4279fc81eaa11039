/** The program that opens the root of an image, or of a container that does not run, for a caller who takes the descriptor. */
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../ffi/constants.ts";
import { op, type Program } from "../ffi/program.ts";
import { untilTaken } from "../ffi/take.ts";
import { type PlainRootfs, rootOperations } from "./plan_root.ts";

/** The name of the operation whose result is the descriptor to take. */
export const VIEW = "view";

/** The layers alone, for a mount namespace of its own: one mount, which its descriptor keeps. */
export function planLayers(rootfs: Extract<PlainRootfs, { kind: "overlay" }>, sync: number): Program {
  return [
    ...rootOperations(rootfs),
    op("openat", [AT_FDCWD, rootfs.target, O_PATH | O_DIRECTORY | O_CLOEXEC, 0], "the root", { name: VIEW }),
    ...untilTaken(sync),
  ];
}
