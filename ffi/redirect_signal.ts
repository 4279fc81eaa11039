/**
 * Lets one signal arrive as another.
 *
 * Deno listens to SIGUSR1 by itself, half a second after its start: it opens its inspector on a port of 127.0.0.1, through which
 * every user of the host could do what this process may. That listener cannot be taken away, but it can be kept from hearing:
 * with the signal's handler replaced by a few instructions that call the same handler for another signal.
 */
import { MFD_CLOEXEC } from "./constants.ts";
import { close, machine, syscall } from "./kernel.ts";

const PROT_READ_EXEC = 5, MAP_PRIVATE = 2, PAGE = 4096;

/** Calls `handler(signal, …)`: a function whose first argument is replaced. */
function thunk(signal: number, handler: bigint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(24), view = new DataView(bytes.buffer);
  if (machine.name === "x86_64") {
    bytes.set([0xbf, signal, 0, 0, 0, 0x48, 0xb8]); // mov edi, signal; movabs rax, handler
    view.setBigUint64(7, handler, true);
    bytes.set([0xff, 0xe0], 15); // jmp rax
  } else {
    view.setUint32(0, 0x52800000 | signal << 5, true); // mov w0, #signal
    view.setUint32(4, 0x58000070, true); // ldr x16, the handler below
    view.setUint32(8, 0xd61f0200, true); // br x16
    view.setUint32(12, 0xd503201f, true); // nop
    view.setBigUint64(16, handler, true);
  }
  return bytes;
}

/**
 * From now on `from` is what `to` is, for every listener in this process. Both must have a listener of Deno's already: it
 * installs its handler, one function for all signals, at the first listener to each, and never again.
 *
 * @throws {SyscallError} when the instructions cannot be mapped.
 */
export function redirectSignal(from: number, to: number): void {
  const action = new BigUint64Array(4); // struct sigaction of the kernel: handler, flags, restorer, mask
  syscall("rt_sigaction", to, null, action, 8);
  const fd = syscall("memfd_create", "mini code", MFD_CLOEXEC);
  try {
    const code = thunk(to, action[0]!);
    syscall("write", fd, code, code.length);
    action[0] = BigInt(syscall("mmap", 0, PAGE, PROT_READ_EXEC, MAP_PRIVATE, fd, 0));
  } finally {
    close(fd);
  }
  syscall("rt_sigaction", from, action, null, 8);
}

/** For a command that has no use for SIGUSR1: it ends by it, as any program does that does not handle it. */
export function endOnSigusr1(): void {
  const SIGUSR1 = 10, SIGUSR2 = 12;
  const end = () => Deno.exit(128 + SIGUSR1);
  Deno.addSignalListener("SIGUSR1", end);
  Deno.addSignalListener("SIGUSR2", end);
  redirectSignal(SIGUSR1, SIGUSR2);
}
