/**
 * What a program and its caller say to each other while it runs, over a pair of sockets: a byte "I wait for you", a byte "go
 * on", the number of a process. The end of either side is seen by the other.
 */
import { Errno, SyscallError } from "../ffi/errors.ts";
import { waitForExit } from "../ffi/exit_status.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import type { Results, Spawned } from "../ffi/spawn.ts";
import { setWindowSize } from "../ffi/terminal.ts";
import { NETWORK_SOCKET } from "./plan_network.ts";
import { LISTENER } from "./plan_seccomp.ts";

export { makePair } from "../ffi/take.ts";

/** Waits until the program has written that many bytes; undefined if it has ended instead, and its results tell why. */
export async function receive(sync: number, length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = new Uint8Array(length);
  return await readable(sync) && trySyscall("read", sync, bytes, length) === length ? bytes : undefined;
}

/** Lets the program go on. One that has ended meanwhile cannot: whoever waits for it is told that, and why. */
export function goOn(sync: number): void {
  const result = trySyscall("write", sync, new Uint8Array(1), 1);
  if (result < 0 && result !== -Errno.EPIPE) throw new SyscallError("write", -result);
}

/** Waits for the number of a process, 8 bytes; undefined if the program has ended instead. */
export async function receivePid(sync: number): Promise<number | undefined> {
  const number = await receive(sync, 8);
  return number && Number(new DataView(number.buffer).getBigUint64(0, true));
}

/** Takes the master of the terminal that a program offers (plan_streams.ts); undefined if it has ended instead. */
export async function takeTerminal(
  spawned: Spawned,
  sync: number,
  size: { rows: number; columns: number } | undefined,
  prepare?: (master: number) => void,
): Promise<number | undefined> {
  if (!await receive(sync, 1)) return undefined;
  const terminal = syscall("pidfd_getfd", spawned.pidfd, spawned.results.of("terminal")!, 0);
  if (size) setWindowSize(terminal, size);
  prepare?.(terminal);
  goOn(sync);
  return terminal;
}

/** Sets up the networks of a container: `pid` is in its network namespace, `socket` is a netlink socket of that namespace, and ours. */
export type ConfigureNetwork = (pid: number, socket: number) => void | Promise<void>;

/** What the caller of a plan has to do, beside handing on what it is told. */
export interface Part {
  /** When the process is another one (plan.ts, `twice`). */
  readonly twice: false | "first" | "last";
  /** Takes it over. */
  takeChild(first: Spawned): Promise<Spawned>;
  readonly network?: ConfigureNetwork | undefined;
  /** Takes its terminal, where it has one. */
  readonly terminal?: ((spawned: Spawned) => Promise<void>) | undefined;
}

/** Answers a plan's program in the order in which it asks; if it has ended, nothing more happens. @returns the container's process. */
export async function answer(spawned: Spawned, sync: number, part: Part): Promise<Spawned> {
  const { twice, network } = part;
  let process = twice === "first" ? await part.takeChild(spawned) : spawned;
  let socket: number | undefined;
  const configure = async () => {
    const given = socket;
    if (given === undefined) return;
    socket = undefined;
    await network!(process.pid, given);
    goOn(sync);
  };
  try {
    if (network && await receive(sync, 1)) {
      socket = syscall("pidfd_getfd", process.pidfd, process.results.of(NETWORK_SOCKET)!, 0);
    }
    if (twice !== "last") await configure();
    await part.terminal?.(process);
    if (twice === "last") {
      process = await part.takeChild(spawned);
      if (process !== spawned) await configure();
    }
    return process;
  } finally {
    if (socket !== undefined) close(socket);
  }
}

/** Ends a program that is waited for no longer: whatever it waits for, it sees the end of the pair. */
export function abandon(spawned: Spawned, sync: number): void {
  close(sync);
  waitForExit(spawned.pidfd);
  close(spawned.pidfd);
  spawned.results.close();
}

/** Takes the descriptor that seccomp's notifications of a process come from (plan_seccomp.ts), for as long as `use` takes. */
export async function withListener(
  pidfd: number,
  results: Results,
  use: (fd: number) => Promise<void> | void,
): Promise<void> {
  const fd = syscall("pidfd_getfd", pidfd, results.of(LISTENER)!, 0);
  try {
    await use(fd);
  } finally {
    close(fd);
  }
}
