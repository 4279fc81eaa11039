/** Checkpoints, by CRIU where it is installed: https://criu.org/CLI. */
import { O_DIRECTORY, O_PATH } from "../../ffi/constants.ts";
import { MiniError } from "../../ffi/errors.ts";
import { open } from "../../ffi/open.ts";
import { isBind } from "../../runtime/plan_mounts.ts";
import type { Spec } from "../../runtime/spec.ts";

/** What `checkpoint` and `restore` share. */
export interface CriuOptions {
  /** The folder of the checkpoint; absolute, as is the next one. */
  readonly images: string;
  /** The folder of CRIU's log. */
  readonly work: string;
  /** Flags of CRIU's own that are passed on: `--tcp-established` … */
  readonly flags: readonly string[];
}

/** The path of CRIU. @throws {MiniError} where it is not installed, or cannot work. */
export function findCriu(): string {
  const folders = (Deno.env.get("PATH") ?? "").split(":").concat("/usr/sbin", "/sbin", "/usr/local/sbin");
  const path = folders.map((folder) => `${folder}/criu`).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
  if (path === undefined) throw new MiniError("checkpoint and restore need CRIU (criu.org), which is not installed");
  return path;
}

/** The mounts of a container that are the host's: CRIU is told where they come from. */
export const externalMounts = (spec: Spec): { inside: string; outside: string }[] =>
  (spec.mounts ?? []).filter(isBind).map((mount) => ({ inside: mount.destination, outside: mount.source! }));

/** Makes a folder, and a descriptor of it that shows that it can be used; the caller's to close. */
export function openFolder(path: string, make: boolean): number {
  try {
    if (make) Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    return open(path, O_PATH | O_DIRECTORY);
  } catch (error) {
    throw new MiniError(`cannot use the folder ${path}: ${(error as Error).message}`, undefined, { cause: error });
  }
}

/** What CRIU says of a failure: the last line about one, in its log. */
export function lastError(log: string): string {
  let lines: string[];
  try {
    lines = Deno.readTextFileSync(log).split("\n").filter((line) => line.includes("Error ("));
  } catch {
    lines = []; // it has not come so far as to write one
  }
  const error = /Error \([^)]*\): (.*)$/.exec(
    lines.findLast((line) => !/failed with (exit code|-?\d+)|ing FAILED/.test(line)) ?? "",
  );
  return `${error?.[1] ?? "it does not say why"} (see ${log})`;
}

/** Refuses what CRIU is not asked to do here. @throws {MiniError} */
export function checkCriuSpec(spec: Spec): void {
  if (spec.process.terminal) throw new MiniError("a container with a terminal cannot be checkpointed by mini");
  const joined = (spec.linux?.namespaces ?? []).find((namespace) => namespace.path !== undefined);
  if (joined) {
    throw new MiniError(
      `a container that joins a ${joined.type} namespace (${joined.path}) cannot be checkpointed by mini`,
    );
  }
}
