// The calls that make a folder the root of a process: from here on each step begins with them.
import { MNT_DETACH, MS_PRIVATE, MS_REC } from "../../../ffi/constants.ts";
import { op, type Operation } from "../../../ffi/program.ts";

const MS_BIND = 0x1000;
export const FOLDER = new URL("../../../build/tour", import.meta.url).pathname;

export const enterRoot: readonly Operation[] = [
  op("mount", ["none", "/", 0, MS_REC | MS_PRIVATE, 0], "what is mounted from now on stays here"),
  op("mount", [FOLDER, FOLDER, 0, MS_BIND | MS_REC, 0], "pivot_root wants a mount, and a folder becomes one"),
  op("chdir", [FOLDER], "go there"),
  op("pivot_root", [".", "."], "the folder is the root; the old root lies over it"),
  op("umount2", [".", MNT_DETACH], "away with the old root"),
  op("chdir", ["/"], "and into the new one"),
];
