/**
 * A name server for tests, made of the parts of our own: answers every question for an address with 203.0.113.7, over UDP and
 * TCP. `deno run -A name_server.ts ADDRESS PORT`; prints `ready` when it listens.
 */
import { AF_INET, O_NONBLOCK, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_STREAM } from "../ffi/constants.ts";
import { syscall } from "../ffi/kernel.ts";
import { ResolverServer } from "../network/dns/server.ts";
import { socketAddress } from "../network/dns/socket.ts";

const [address = "127.0.0.1", port = "53"] = Deno.args;
const place = socketAddress(address, Number(port));
const listener = syscall("socket", AF_INET, SOCK_STREAM | SOCK_CLOEXEC | O_NONBLOCK, 0);
syscall("bind", listener, place, place.length);
syscall("listen", listener, 8);
const datagrams = syscall("socket", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | O_NONBLOCK, 0);
syscall("bind", datagrams, place, place.length);
new ResolverServer({ listener, datagrams }, { addresses: () => ["203.0.113.7"], name: () => undefined }, () => []);
console.log("ready");
