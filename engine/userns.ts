/** `--userns`: whose ids a container's processes have on the host. */
import { MiniError } from "../ffi/errors.ts";
import type { IdMapping, Spec } from "../runtime/spec.ts";

/**
 * What `--userns` asks for.
 *
 * - `host`: no user namespace.
 * - `auto`: ids that no other container has, out of those that /etc/subuid and /etc/subgid give to mini.
 * - `keep-id`: every id is what it is on the host, in a user namespace all the same.
 * - `range`: ids 0 to SIZE - 1 are those from `uid` and `gid` on.
 * - `container`: the user namespace of another container.
 */
export type UsernsMode =
  | { readonly kind: "host" }
  | { readonly kind: "auto"; readonly size: number }
  | { readonly kind: "keep-id" }
  | { readonly kind: "range"; readonly uid: number; readonly gid: number; readonly size: number }
  | { readonly kind: "container"; readonly name: string };

/** As many as programs and images use: to `nobody`, 65534, and one more. */
export const USUAL_SIZE = 65536;
/** 2^32 - 1 means "no id" to the kernel. */
const IDS = 2 ** 32 - 1;

/** Reads `--userns`. @throws {MiniError} */
export function readUserns(text: string | undefined): UsernsMode {
  const refuse = (what: string): never => {
    throw new MiniError(`--userns ${JSON.stringify(text)}: ${what}`);
  };
  const whole = (word: string, what: string, least: number): number => {
    const n = /^\d{1,10}$/.test(word) ? Number(word) : NaN;
    return n >= least && n <= IDS ? n : refuse(`${JSON.stringify(word)} is not ${what} (${least} to ${IDS})`);
  };
  if (text === undefined || text === "host") return { kind: "host" };
  if (text === "keep-id") return { kind: "keep-id" };
  if (text === "auto") return { kind: "auto", size: USUAL_SIZE };
  const size = text.match(/^auto:size=(.*)$/)?.[1];
  if (size !== undefined) return { kind: "auto", size: whole(size, "a number of ids", 1) };
  if (text.startsWith("container:")) {
    const name = text.slice("container:".length);
    return name === "" ? refuse("the container's name is missing") : { kind: "container", name };
  }
  const parts = text.split(":");
  if (parts.length !== 3) {
    return refuse(
      "it is host, auto, auto:size=N, keep-id, container:NAME, or UID:GID:SIZE with the first ids of the host",
    );
  }
  const [uid, gid, count] = [
    whole(parts[0]!, "an id", 0),
    whole(parts[1]!, "an id", 0),
    whole(parts[2]!, "a number of ids", 1),
  ];
  if (Math.max(uid, gid) + count > IDS) return refuse("the ids end beyond the last one that there is");
  return { kind: "range", uid, gid, size: count };
}

/** A range of ids of the host. */
export interface IdRange {
  readonly first: number;
  readonly size: number;
}

/** The user's names whose entries count, the first one that has any; podman's own for rootful containers is `containers`. */
export const SUBID_USERS = ["mini", "containers", "root"] as const;
/**
 * Where the system's administrator has said nothing: root may give any ids. Nobody else uses these: they are above those for
 * subuid(5) and for systemd's containers, and below 2^31, after which some programs take ids for negative (UIDS-GIDS.md of
 * systemd).
 */
export const SPARE: IdRange = { first: 0x7000_0000, size: 4094 * USUAL_SIZE };

/**
 * The ranges of /etc/subuid or /etc/subgid for the first of the users that has any, by name or number. subuid(5)
 *
 * @throws {MiniError} for a line that is none: ids must not be guessed.
 */
export function readSubids(
  file: string,
  content: string,
  users: readonly (string | number)[] = SUBID_USERS,
): IdRange[] {
  const entries = content.split("\n").flatMap((line, i) => {
    if (line.trim() === "" || line.startsWith("#")) return [];
    const match = line.match(/^([^:]+):(\d{1,10}):(\d{1,10})$/);
    const first = Number(match?.[2]), size = Number(match?.[3]);
    if (!match || first + size > IDS) {
      throw new MiniError(`${file}, line ${i + 1}: ${JSON.stringify(line)} is not NAME:FIRST:COUNT`);
    }
    return size > 0 ? [{ user: match[1]!, first, size }] : [];
  });
  for (const user of users) {
    const own = entries.filter((entry) => entry.user === `${user}`);
    if (own.length > 0) return own.map(({ first, size }) => ({ first, size }));
  }
  return [];
}

/**
 * The highest free range of that size, as far as possible from other programs' that count from below; undefined if there is none.
 *
 * @param taken may overlap, in any order.
 */
export function findFree(ranges: readonly IdRange[], taken: readonly IdRange[], size: number): IdRange | undefined {
  for (const range of [...ranges].sort((a, b) => b.first - a.first)) {
    let end = range.first + range.size;
    const below = taken.filter((t) => t.first < end && t.first + t.size > range.first).sort((a, b) =>
      b.first - a.first
    );
    // Each one that is in the way, the highest first: what is free is above it, or below.
    while (end - size >= range.first) {
      const candidate = { first: end - size, size };
      const inTheWay = below.find((t) => t.first < end && t.first + t.size > candidate.first);
      if (!inTheWay) return candidate;
      end = inTheWay.first;
    }
  }
  return undefined;
}

/** The ids of a container in a user namespace. */
export interface IdMaps {
  readonly uidMappings: IdMapping[];
  readonly gidMappings: IdMapping[];
}

const from = (hostID: number, size: number): IdMapping[] => [{ containerID: 0, hostID, size }];

/** The maps of a plain range. */
export const rangeMaps = (uid: number, gid: number, size: number): IdMaps => ({
  uidMappings: from(uid, size),
  gidMappings: from(gid, size),
});

/**
 * Ids for `auto` that no other container has.
 *
 * @param taken the maps of all other containers, those that do not run among them: what they wrote belongs to their ids.
 * @throws {MiniError} when there are none left.
 */
export function allocate(
  size: number,
  subuids: readonly IdRange[],
  subgids: readonly IdRange[],
  taken: readonly IdMaps[],
): IdMaps {
  const find = (file: string, given: readonly IdRange[], used: readonly IdMapping[]) => {
    const ranges = given.length > 0 ? given : [SPARE];
    const free = findFree(ranges, used.map((m) => ({ first: m.hostID, size: m.size })), size);
    if (free) return free.first;
    const all = ranges.reduce((sum, range) => sum + range.size, 0);
    throw new MiniError(
      `--userns auto: ${size} ids in a row are not free among the ${all} that ${file} gives; remove containers, add a line ` +
        `such as 'mini:${SPARE.first}:${SPARE.size}' there, or ask for fewer with auto:size=N`,
    );
  };
  return rangeMaps(
    find("/etc/subuid", subuids, taken.flatMap((maps) => maps.uidMappings)),
    find("/etc/subgid", subgids, taken.flatMap((maps) => maps.gidMappings)),
    size,
  );
}

/** A map that gives every id that mini itself has: the contents of /proc/self/uid_map, user_namespaces(7). */
export const identityMap = (idMap: string): IdMapping[] =>
  idMap.trim().split("\n").map((line) => {
    const [containerID = 0, , size = 0] = line.trim().split(/\s+/).map(Number);
    return { containerID, hostID: containerID, size };
  });

/** The host's number of a container's id; undefined for one that its user namespace does not have. */
export function hostId(mappings: readonly IdMapping[] | undefined, id: number): number | undefined {
  if (mappings === undefined) return id;
  const map = mappings.find((m) => id >= m.containerID && id < m.containerID + m.size);
  return map && map.hostID + id - map.containerID;
}

/** The container's number of an id of the host's; undefined for one that its user namespace does not have. */
export function containerId(mappings: readonly IdMapping[] | undefined, id: number): number | undefined {
  if (mappings === undefined) return id;
  const map = mappings.find((m) => id >= m.hostID && id < m.hostID + m.size);
  return map && map.containerID + id - map.hostID;
}

/** Whether files need no other ids than they have. */
export const isIdentity = (mappings: readonly IdMapping[]): boolean =>
  mappings.every((map) => map.containerID === map.hostID);

/** Whom a container's streams belong to, as the host counts: a program may open its own again. */
export const ownerOf = ({ process, linux }: Spec): number =>
  hostId(linux?.uidMappings, process.user.uid) ?? process.user.uid;
