/** User namespaces that are made before whoever lives in them: to be joined, and to give mounts their ids. */
import { CLONE_NEWUSER, O_RDONLY } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { op } from "../ffi/program.ts";
import { spawn, type Spawned, waitForExit } from "../ffi/spawn.ts";
import { makePair } from "./handshake.ts";
import type { IdMapping } from "./spec.ts";

/**
 * A descriptor of a new user namespace with these ids, the caller's to close. It lives as long as that or as somebody in it.
 *
 * Made by a process that is born in it and waits until its ids are written and the namespace is taken from it.
 *
 * @throws {MiniError} for ids that the kernel refuses. @throws {SyscallError} when no process can be made in a new one.
 */
export function makeUserNamespace(uids: readonly IdMapping[], gids: readonly IdMapping[]): number {
  const [ours, theirs] = makePair();
  const program = [
    op("read", [theirs, { cell: "sync", size: 8 }, 1], "until mini has taken the user namespace"),
    op("exit_group", [0], "nobody has to be in it"),
  ];
  let spawned: Spawned;
  try {
    spawned = spawn(program, { flags: CLONE_NEWUSER, pass: [theirs] });
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    close(theirs);
  }
  try {
    writeIdMaps(spawned.pid, uids, gids);
    return open(`/proc/${spawned.pid}/ns/user`, O_RDONLY);
  } finally {
    close(ours); // which it waits for
    waitForExit(spawned.pidfd);
    close(spawned.pidfd);
    spawned.results.close();
  }
}

/** Gives a new user namespace its ids, user_namespaces(7). */
function writeIdMaps(pid: number, uids: readonly IdMapping[], gids: readonly IdMapping[]): void {
  const write = (file: string, mappings: readonly IdMapping[]) => {
    const text = mappings.map((m) => `${m.containerID} ${m.hostID} ${m.size}\n`).join("");
    try {
      Deno.writeTextFileSync(`/proc/${pid}/${file}`, text, { create: false });
    } catch (error) {
      throw new MiniError(`cannot write /proc/${pid}/${file} (${text.trim()}): ${(error as Error).message}`);
    }
  };
  write("uid_map", uids);
  write("gid_map", gids);
}
