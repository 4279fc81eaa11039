/**
 * What this process itself does for a container, told to whoever wants to show it: the calls beside the program's own. Nothing
 * is kept unless somebody asks.
 */
import { errnoName, SyscallError } from "./errors.ts";
import { ticks } from "./ticks.ts";

/** Something that was done. */
export interface Act {
  /** As a person writes it: `write("/sys/fs/cgroup/…/pids.max", "2048")`. */
  readonly call: string;
  readonly why: string;
  /** Ticks of ticks.ts, the same that timed programs tell. */
  readonly began: bigint;
  readonly ended: bigint;
  /** What it returned, or the name of its error; empty where neither says anything. */
  readonly result: string;
}

let acts: Act[] | undefined;

/** Keeps everything from now on. @returns the list that grows. */
export function witness(): readonly Act[] {
  return acts = [];
}

/** Does something, and tells about it if anybody wants to know. */
export function act<T>(call: () => string, why: string, body: () => T): T {
  if (!acts) return body();
  const began = ticks();
  const told = (result: string) => acts!.push({ call: call(), why, began, ended: ticks(), result });
  try {
    const value = body();
    told(typeof value === "number" ? `${value}` : "");
    return value;
  } catch (error) {
    told(error instanceof SyscallError ? errnoName(error.errno) : (error as Error).name);
    throw error;
  }
}
