/**
 * What a program and its caller say to each other while it runs, over a pair of sockets: a byte "I wait for you", a byte "go
 * on", the number of a process. The end of either side is seen by the other.
 */
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

/** Lets the program go on. */
export function goOn(sync: number): void {
  syscall("write", sync, new Uint8Array(1), 1);
}

/** Waits for the number of a process, 8 bytes; undefined if the program has ended instead. */
export async function receivePid(sync: number): Promise<number | undefined> {
  const number = await receive(sync, 8);
  return number && Number(new DataView(number.buffer).getBigUint64(0, true));
}

/**
 * Takes over the process that a first one has cloned as a child of its own parent (plan_child.ts).
 *
 * @param reap whether that parent is this process, which then reaps the first one.
 */
export async function takeChild(first: Spawned, sync: number, reap = true): Promise<Spawned> {
  const pid = await receivePid(sync);
  if (pid === undefined) return first;
  // It waits for us, so that the number is still its own.
  const pidfd = syscall("pidfd_open", pid, 0);
  if (reap) waitForExit(first.pidfd);
  else await readable(first.pidfd);
  close(first.pidfd);
  goOn(sync);
  return { pid, pidfd, results: first.results };
}

/** Takes the master of the terminal that a program offers (plan_streams.ts); undefined if it has ended instead. */
export async function takeTerminal(
  spawned: Spawned,
  sync: number,
  size: { rows: number; columns: number } | undefined,
): Promise<number | undefined> {
  if (!await receive(sync, 1)) return undefined;
  const terminal = syscall("pidfd_getfd", spawned.pidfd, spawned.results.of("terminal")!, 0);
  if (size) setWindowSize(terminal, size);
  goOn(sync);
  return terminal;
}

/** Sets up the networks of a container: `pid` is in its network namespace, `socket` is a netlink socket of that namespace, and ours. */
export type ConfigureNetwork = (pid: number, socket: number) => void | Promise<void>;

/** Takes the socket that a program offers (plan_network.ts) and sets up its networks. Nothing happens if it has ended instead. */
export async function giveNetwork(spawned: Spawned, sync: number, configure: ConfigureNetwork): Promise<void> {
  if (!await receive(sync, 1)) return;
  await configure(spawned.pid, syscall("pidfd_getfd", spawned.pidfd, spawned.results.of(NETWORK_SOCKET)!, 0));
  goOn(sync);
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
