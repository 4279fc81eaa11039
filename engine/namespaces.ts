/** `--ipc`, `--pid`, `--uts`, `--userns` and the like: whose namespaces a container is in. */
import { MiniError } from "../ffi/errors.ts";

/** Whose namespace: the container's own, the host's, or another container's. */
export type NamespaceMode = "private" | "host" | `container:${string}`;
/** For IPC, own ones are of three kinds: others may join, or not; or there is not even a /dev/shm. */
export type IpcMode = NamespaceMode | "shareable" | "none";

/** For the network: no interfaces but lo (`none`), whose, or the name of the first of the container's own networks. */
export type NetworkMode = string;

/** Whether a container has networks of its own. */
export const isOwnNetwork = (mode: NetworkMode): boolean =>
  mode !== "none" && mode !== "host" && !isContainerMode(mode);

/** What the flags ask for. */
export interface NamespaceModes {
  readonly ipc: IpcMode;
  readonly pid: NamespaceMode;
  readonly uts: NamespaceMode;
}

const CONTAINER = "container:";

/** Whether it is another container's. */
export const isContainerMode = (mode: string): mode is `container:${string}` => mode.startsWith(CONTAINER);

/** What follows `container:`. */
export const containerOf = (mode: `container:${string}`): string => mode.slice(CONTAINER.length);

/** @param others what it may be beside `private`, `host` and `container:NAME`. @throws {MiniError} */
function read<T extends string>(flag: string, text: string | undefined, others: readonly T[]): NamespaceMode | T {
  if (text === undefined || text === "" || text === "private") return "private";
  if (text === "host" || (others as readonly string[]).includes(text)) return text as "host" | T;
  if (isContainerMode(text) && text !== CONTAINER) return text;
  throw new MiniError(
    `--${flag} ${JSON.stringify(text)}: it is ${["private", "host", ...others].join(", ")} or container:NAME`,
  );
}

/** Reads the flags. @throws {MiniError} */
export const readModes = (flags: Partial<Record<keyof NamespaceModes, string | undefined>>): NamespaceModes => ({
  ipc: read("ipc", flags.ipc, ["shareable", "none"]),
  pid: read("pid", flags.pid, []),
  uts: read("uts", flags.uts, []),
});
