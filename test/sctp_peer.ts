/**
 * One end of a connection by SCTP, for tests: `serve ADDRESS PORT` prints `ready` and then tells everybody `hello` and the client's
 * own address; `ask ADDRESS PORT` prints what such a server says, or nothing within five seconds.
 */
import { AF_INET, SOCK_STREAM } from "../ffi/constants.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { socketAddress } from "../network/dns/socket.ts";

const IPPROTO_SCTP = 132, SOL_SOCKET = 1, SO_RCVTIMEO = 20, SO_SNDTIMEO = 21, MSG_NOSIGNAL = 0x4000;
const [what = "", address = "", port = ""] = Deno.args;
const place = socketAddress(address, Number(port));
const fd = syscall("socket", AF_INET, SOCK_STREAM, IPPROTO_SCTP);
if (what === "serve") {
  syscall("bind", fd, place, place.length);
  syscall("listen", fd, 8);
  console.log("ready");
  for (;;) {
    const from = new Uint8Array(16), length = new Uint32Array([16]);
    const connection = syscall("accept4", fd, from, length, 0);
    const answer = new TextEncoder().encode(`hello ${from.subarray(4, 8).join(".")}`);
    syscall("sendto", connection, answer, answer.length, MSG_NOSIGNAL, null, 0);
    close(connection);
  }
}
const patience = new BigInt64Array([5n, 0n]);
for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) syscall("setsockopt", fd, SOL_SOCKET, option, patience, 16);
if (trySyscall("connect", fd, place, place.length) === 0) {
  const bytes = new Uint8Array(100), count = trySyscall("recvfrom", fd, bytes, bytes.length, 0, null, 0);
  if (count > 0) Deno.stdout.writeSync(bytes.subarray(0, count));
}
