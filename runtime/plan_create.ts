/**
 * A container that is made now and begun later, by another command: OCI runtime-spec, runtime.md, "create" and "start".
 *
 * No process of ours stays for it. Its own process has done everything but the last step, and waits in a `read` for one byte
 * from a FIFO; whoever is the subreaper above the command that made it is its parent from then on.
 */
import { closeAllBut } from "../ffi/close_all_but.ts";
import { op, type Operation } from "../ffi/program.ts";
import { passed } from "./plan_child.ts";
import { execCandidates, LOOK, waitForCaller } from "./plan_process.ts";
import type { Process } from "./spec.ts";

/** What such a container needs beside its specification. */
export interface Gate {
  /** The FIFO's descriptor, open for reading and writing, so that the end of a writer is never the end of the file. */
  readonly fifo: number;
  /** How many descriptors above 2 the program keeps. */
  readonly preserveFds: number;
  /** Moves the root's mount on / instead of pivoting, for roots on a ramdisk. */
  readonly noPivot: boolean;
  /** The name of the session keyring to make; without it the caller's stays. */
  readonly keyring?: string | undefined;
  /** Those of descriptors 0, 1 and 2 that become the user's own. */
  readonly ownStreams: readonly number[];
}

const KEYCTL_JOIN_SESSION_KEYRING = 1;
/** access(2) */
const X_OK = 1, AT_EACCESS = 0x200, AT_FDCWD = -100;

/** A keyring of its own: the caller's keys are not the container's. keyrings(7) */
export function newKeyring(name: string | undefined): Operation[] {
  if (name === undefined) return [];
  return [
    op("keyctl", [KEYCTL_JOIN_SESSION_KEYRING, name], "a session keyring of its own", { optional: true, on: name }),
  ];
}

/** The caller runs hooks while the namespaces and mounts are there and the root is still the host's. */
export const environmentMade = (sync: number) => waitForCaller(sync, "its namespaces and mounts are made");

/** Whether there is a program to run is told by `create`, and not only by `start`. */
export function lookForProgram(process: Process): Operation[] {
  const candidates = execCandidates(process);
  return [
    ...candidates.map((path, i) =>
      op("faccessat2", [AT_FDCWD, path, X_OK, AT_EACCESS], `is ${path} a program?`, {
        name: `${LOOK}${i}`,
        on: path,
        optional: i < candidates.length - 1,
        jump: { when: "=", to: "program" },
      })
    ),
    op("add", [0, 0], "there is one", { name: "program" }),
  ];
}

/** What the operation is called that waits for the start. */
export const WAIT_FOR_START = "wait for start";

/**
 * The last steps before the program: nothing of ours stays open while it waits, since a process that joins the container could
 * get at it there.
 */
export function waitForStart(sync: number, { fifo, preserveFds }: Gate): Operation[] {
  return [
    ...waitForCaller(sync, "it is made"),
    ...closeAllBut([...passed(preserveFds), fifo], "nothing of ours is open while it waits"),
    op("read", [fifo, { cell: "sync", size: 8 }, 1], "wait for the start", { name: WAIT_FOR_START }),
  ];
}
