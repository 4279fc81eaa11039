/** A unix socket that is given descriptors: unix(7), SCM_RIGHTS. */
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../ffi/constants.ts";
import { addressOf, close, syscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";

/** A message and the descriptor that came with it, which is the caller's to close. */
export interface Received {
  readonly text: string;
  readonly fd: number;
}

/** Listens at a path. */
export class Receiver implements Disposable {
  readonly #socket = syscall("socket", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  constructor(path: string) {
    const address = new Uint8Array(110);
    new DataView(address.buffer).setUint16(0, AF_UNIX, true);
    address.set(new TextEncoder().encode(path), 2);
    syscall("bind", this.#socket, address, address.length);
    syscall("listen", this.#socket, 4);
  }

  /** Waits for one message with one descriptor. */
  async receive(): Promise<Received> {
    await readable(this.#socket);
    const connection = syscall("accept4", this.#socket, null, null, SOCK_CLOEXEC);
    try {
      await readable(connection);
      const text = new Uint8Array(65536), control = new Uint8Array(24);
      const vector = new BigUint64Array([addressOf(text), BigInt(text.length)]);
      const header = new BigUint64Array([0n, 0n, addressOf(vector), 1n, addressOf(control), 24n, 0n]);
      const length = syscall("recvmsg", connection, header, 0x40000000 /* MSG_CMSG_CLOEXEC */);
      const fd = new DataView(control.buffer).getInt32(16, true);
      return { text: new TextDecoder().decode(text.subarray(0, length)), fd };
    } finally {
      close(connection);
    }
  }

  [Symbol.dispose](): void {
    close(this.#socket);
  }
}
