/** Gives a descriptor to whoever listens on a socket: unix(7), SCM_RIGHTS. */
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../../ffi/constants.ts";
import { MiniError, SyscallError } from "../../ffi/errors.ts";
import { addressOf, close, syscall } from "../../ffi/kernel.ts";
import type { LinuxSeccomp } from "../../runtime/seccomp_types.ts";
import type { OciState } from "./containers.ts";

/** sun_path, with its NUL. */
const PATH_BYTES = 108;
const SOL_SOCKET = 1, SCM_RIGHTS = 1;

/** struct sockaddr_un */
function socketAddress(path: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(path), address = new Uint8Array(2 + PATH_BYTES);
  if (bytes.length >= PATH_BYTES) {
    throw new MiniError(`the socket's path ${path} is longer than ${PATH_BYTES - 1} bytes`);
  }
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(bytes, 2);
  return address;
}

/**
 * Connects to the socket, sends a message with the descriptor, and closes the connection.
 *
 * @throws {MiniError} when nobody listens there.
 */
export function sendDescriptor(path: string, fd: number, message: string): void {
  const socket = syscall("socket", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  try {
    const address = socketAddress(path), body = new TextEncoder().encode(message);
    syscall("connect", socket, address, address.length);
    // struct cmsghdr: its length with the header, level, type; then the descriptor.
    const control = new Uint8Array(24), view = new DataView(control.buffer);
    view.setBigUint64(0, 20n, true);
    view.setInt32(8, SOL_SOCKET, true);
    view.setInt32(12, SCM_RIGHTS, true);
    view.setInt32(16, fd, true);
    const vector = new BigUint64Array([addressOf(body), BigInt(body.length)]);
    // struct msghdr: name, its length, iovec, their number, control, its length, flags.
    const header = new BigUint64Array([0n, 0n, addressOf(vector), 1n, addressOf(control), 24n, 0n]);
    const held = [body, control, vector]; // what the header points to, until the call has returned
    syscall("sendmsg", socket, header, 0);
    held.length = 0;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new MiniError(`cannot send to the socket ${path}: ${error.message}`, undefined, { cause: error });
  } finally {
    close(socket);
  }
}

/**
 * Gives the descriptor of seccomp's notifications to the process that is asked, with the container process state as JSON:
 * config-linux.md, "Seccomp", listenerPath.
 *
 * @param pid of the process that the filter is for. @throws {MiniError} when nobody listens there.
 */
export function sendListener(seccomp: LinuxSeccomp, state: OciState, pid: number, fd: number): void {
  const { listenerPath, listenerMetadata } = seccomp;
  const message = {
    ociVersion: state.ociVersion,
    fds: ["seccompFd"],
    pid,
    ...listenerMetadata === undefined ? {} : { metadata: listenerMetadata },
    state,
  };
  sendDescriptor(listenerPath!, fd, JSON.stringify(message));
}
