/**
 * A container that is made now and begun later, by another command: OCI runtime-spec, runtime.md, "create" and "start".
 *
 * No process of ours stays for it. Its own process has done everything but the last step, and waits in a `read` for one byte
 * from a FIFO; whoever is the subreaper above the command that made it is its parent from then on.
 */
import { closeAllBut } from "../ffi/close_all_but.ts";
import { op, type Operation, result } from "../ffi/program.ts";
import { passed } from "./plan_child.ts";
import { execCandidates, LOOK, waitForCaller } from "./plan_process.ts";
import { LISTENER } from "./plan_seccomp.ts";
import type { Process } from "./spec.ts";

/** What such a container needs beside its specification. */
export interface Gate {
  /** The FIFO's descriptor, open for reading and writing, so that the end of a writer is never the end of the file. */
  readonly fifo: number;
  /** How many descriptors above 2 the program keeps. */
  readonly preserveFds: number;
  /** Instead of pivoting, for roots on a ramdisk: the root's mount is moved on / (plan_cover.ts). */
  readonly cover?: readonly Operation[] | undefined;
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
 * Nothing of ours but the two that are needed still is open while it waits, since a process that joins the container could get
 * at it there. Before a filter of system calls is loaded: an older profile does not know close_range.
 */
export const closeOthers = (sync: number, { fifo, preserveFds }: Gate): Operation[] =>
  closeAllBut([...passed(preserveFds), sync, fifo], "nothing of ours is open while it waits");

/**
 * The last steps before the program. What a filter keeps from being closed by now leads to nobody: its other end is closed
 * when the command that made it ends.
 *
 * @param listens whether there is a listener of seccomp's notifications, which the caller has got by now.
 */
export function waitForStart(sync: number, fifo: number, listens: boolean): Operation[] {
  return [
    ...waitForCaller(sync, "it is made"),
    ...(listens ? [op("close", [result(LISTENER)], "who is asked about calls has it")] : []),
    op("close", [sync], "mini goes", { optional: true }),
    op("read", [fifo, { cell: "sync", size: 8 }, 1], "wait for the start", { name: WAIT_FOR_START }),
  ];
}
