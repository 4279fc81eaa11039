import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { readError } from "./netlink.ts";
import {
  attr,
  attributes,
  concat,
  decode,
  encode,
  type Message,
  nest,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  text,
  u32,
} from "./netlink_message.ts";
import { addAddress, addRoute, linkUp, newBridge, newVeth, readAddress, readLink, readRoute } from "./netlink_route.ts";

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const bytes = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));

/** The sequence number of the recorded messages. */
const SEQUENCE = 0x6b0199a0;
/** A message as `ip` of iproute2 6.1 sends it: without the flag that says which attributes hold others. */
const asIp = (message: Message) => hex(withoutNesting(encode(message, SEQUENCE, NLM_F_ACK)));
const withoutNesting = (whole: Uint8Array<ArrayBuffer>) =>
  whole.map((byte, i) => i % 4 === 3 && byte === 0x80 ? 0 : byte);

// Recorded by `strace -e trace=sendmsg -e write=all` of the commands in the tests' names.

Deno.test("a bridge is what `ip link add mini1 address 02:42:ac:12:00:01 mtu 1400 type bridge` makes", () => {
  // `ip` writes the address and size in front of the name.
  const [ours] = decode(
    encode(newBridge({ name: "mini1", mac: bytes("0242ac120001"), mtu: 1400 }), SEQUENCE, NLM_F_ACK),
  );
  const [theirs] = decode(bytes(
    "5000000010000506a099016b00000000000000000000000000000000000000000a0001000242ac120001000008000400780500000a0003006d69" +
      "6e6931000000100012000a0001006272696467650000",
  ));
  const values = (all: Map<number, Uint8Array>) => [...all].map(([type, value]) => [type, hex(value)]).sort();
  assertEquals(values(attributes(ours!.body, 16)), values(attributes(theirs!.body, 16)));
  assertEquals([ours!.type, ours!.flags], [theirs!.type, theirs!.flags]);
});

Deno.test("a cable into a namespace is what `ip link add mv0 type veth peer name eth0 netns 1` makes", () => {
  assertEquals(
    asIp(newVeth({ name: "mv0" }, { name: "eth0", namespace: { pid: 1 } })),
    "6000000010000506a099016b0000000000000000000000000000000000000000080003006d7630003800120008000100766574682c0002002800" +
      "010000000000000000000000000000000000090003006574683000000000" + "0800130001000000",
  );
});

Deno.test("addresses are what `ip addr add 172.18.0.1/16 brd 172.18.255.255` and `fd00::1/64 nodad` add", () => {
  const [ours, theirs] = [
    encode(addAddress(2, bytes("ac120001"), 16), SEQUENCE, NLM_F_ACK),
    bytes("3000000014000506a099016b00000000021000000200000008000200ac12000108000400ac12ffff08000100ac120001"),
  ].map((message) => [...attributes(decode(message)[0]!.body, 8)].map(([type, value]) => [type, hex(value)]).sort());
  assertEquals(ours, theirs);
  assertEquals(
    asIp(addAddress(2, bytes("fd000000000000000000000000000001"), 64)),
    "4000000014000506a099016b000000000a4002000200000014000200fd00000000000000000000000000000114000100fd000000000000000000" +
      "000000000001",
  );
});

Deno.test("a route is what `ip route add default via 172.18.0.2 proto static` adds, `ip link set up` brings a link up", () => {
  assertEquals(
    asIp(addRoute(2, bytes("ac120002"))),
    "2c00000018000506a099016b0000000002000000fe0400010000000008000500ac1200020800040002000000",
  );
  assertEquals(hex(linkUp(2, "mini0").body), "00000000020000000100000001000000");
});

Deno.test("the broadcast address has all bits behind the prefix set, and a pair of addresses has none", () => {
  const broadcast = (address: string, prefix: number) =>
    attributes(decode(encode(addAddress(1, bytes(address), prefix), 1))[0]!.body, 8).get(4);
  assertEquals(broadcast("0a000001", 8), bytes("0affffff"));
  assertEquals(broadcast("c0a81181", 20), bytes("c0a81fff"));
  assertEquals(broadcast("c0a81180", 31), undefined);
});

Deno.test("links, addresses and routes are read as they are written", () => {
  const read = (message: Message) => decode(encode(message, 1))[0]!;
  const link = readLink(read(newVeth({ name: "mv0", mtu: 1400, master: 7, up: true }, { name: "eth0" })));
  assertEquals([link.name, link.mtu, link.master, link.up, link.kind], ["mv0", 1400, 7, true, "veth"]);
  const { index, address, prefix } = readAddress(read(addAddress(3, bytes("0a000001"), 8)));
  assertEquals([index, [...address], prefix], [3, [10, 0, 0, 1], 8]);
  const route = readRoute(read(addRoute(3, bytes("0a000001"), { address: bytes("0b000000"), prefix: 8 })));
  assertEquals([route.link, route.prefix, [...route.destination!], [...route.gateway!]], [3, 8, [11, 0, 0, 0], [
    10,
    0,
    0,
    1,
  ]]);
  assertEquals(route.table, 254);
});

Deno.test("the outcome of a request has the kernel's own words, where it gives some", () => {
  const header = new Uint8Array(16);
  const refused = concat(u32(-17), header, attr(1, text("Address already assigned")));
  assertEquals(readError({ flags: NLM_F_ACK_TLVS, body: refused }), {
    errno: 17,
    explanation: "Address already assigned",
  });
  assertEquals(readError({ flags: 0, body: refused }), { errno: 17, explanation: "" });
  assertEquals(readError({ flags: 0, body: concat(u32(0), header) }), { errno: 0, explanation: "" });
});

Deno.test("what is cut short is no message", () => {
  const whole = encode(linkUp(2, "x"), 1);
  assertThrows(() => decode(whole.slice(0, -1)), Error, "cut short");
  assertThrows(() => attributes(bytes("0800010000")), Error, "cut short");
  assertThrows(() => attributes(bytes("0300010000000000")), Error, "cut short");
  assertEquals(attributes(nest(5, attr(6, u32(7)))).get(5), attr(6, u32(7)));
});

Deno.test("every request says in words what it does", () => {
  assertMatch(addRoute(1, bytes("0a000001")).what, /default route by 10\.0\.0\.1/);
  assertMatch(addAddress(1, bytes("fd000000000000000000000000000001"), 64).what, /fd00:0:0:0:0:0:0:1\/64/);
});
