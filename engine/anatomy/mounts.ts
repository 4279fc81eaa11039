/** What is mounted in a container, and what is behind each mount: /proc/PID/mountinfo, proc(5). */
import type { Mount } from "../../runtime/spec.ts";
import type { ContainerRecord } from "../record.ts";

/** A mount as the kernel tells it. */
export interface MountView {
  /** Where the container sees it. */
  readonly path: string;
  /** `overlay`, `tmpfs`, `ext4` … */
  readonly type: string;
  readonly options: readonly string[];
  /** What it shows: `volume data`, `host /srv`, `image starter (1 layer) and the container's changes` … */
  readonly behind: string;
  /** Of the root: the folders that are stacked, the topmost first. */
  readonly layers?: readonly string[];
}

/** A line of mountinfo. */
interface Line {
  /** What of its file system is mounted. */
  readonly root: string;
  readonly path: string;
  readonly options: string;
  readonly type: string;
  readonly source: string;
  readonly superOptions: string;
}

/** Blanks and others that would end a field are written as octal numbers. */
const unescape = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));

/** The lines of a mountinfo file. */
export function parseMountinfo(text: string): Line[] {
  return text.split("\n").filter(Boolean).map((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root = "", path = "", options = ""] = before.split(" ");
    const [type = "", source = "", superOptions = ""] = after.split(" ");
    return { root: unescape(root), path: unescape(path), options, type, source: unescape(source), superOptions };
  });
}

/** A container's own files, that mini writes for it. */
const OWN = /\/containers\/[0-9a-f]{64}\/(hostname|hosts|resolv\.conf)$/;

/** What a mount shows. @param specified the mount of the specification at that place. */
function behind(line: Line, record: ContainerRecord, specified: Mount | undefined): string {
  const { path, root, type } = line;
  const ours = record.mounts?.find(({ destination }) => destination === path);
  if (path === "/") {
    if (type !== "overlay") return `host ${record.image}`;
    const { length } = record.layers;
    return `image ${record.image} (${length} layer${length === 1 ? "" : "s"}) and the container's own changes`;
  }
  if (ours?.type === "volume" && "name" in ours) return `volume ${ours.name}`;
  if (OWN.test(root)) return `${root.slice(root.lastIndexOf("/") + 1)}, written by mini`;
  if (specified?.options?.some((option) => option === "bind" || option === "rbind")) {
    return `host ${specified.source ?? root}`;
  }
  if (specified) return `a new ${type} of its own`;
  if (root === "/null") return "masked: the null device lies over it";
  if (type === "tmpfs") return "masked: an empty folder lies over it";
  return "the same, made read-only";
}

/** @param text of /proc/PID/mountinfo. */
export function mounts(text: string, record: ContainerRecord, specified: readonly Mount[]): MountView[] {
  return parseMountinfo(text).map((line) => {
    const lowers = /(?:^|,)lowerdir=([^,]*)/.exec(line.superOptions)?.[1];
    const upper = /(?:^|,)upperdir=([^,]*)/.exec(line.superOptions)?.[1];
    return {
      path: line.path,
      type: line.type,
      options: line.options.split(","),
      behind: behind(line, record, specified.findLast(({ destination }) => destination === line.path)),
      ...line.path === "/" && lowers !== undefined
        ? { layers: [...upper === undefined ? [] : [upper], ...unescape(lowers).split(":")].filter(Boolean) }
        : {},
    };
  });
}
