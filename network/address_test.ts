import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import {
  contains,
  formatIp,
  formatMac,
  formatSubnet,
  ipBytes,
  ipFromBytes,
  isHost,
  macFor,
  overlap,
  parseIp,
  parseMac,
  parseSubnet,
} from "./address.ts";

const ip = (text: string) => parseIp(text)!;
const subnet = (text: string) => parseSubnet(text, "--subnet");

Deno.test("addresses of both versions are read, and written in their usual form", () => {
  for (
    const [text, form] of [
      ["10.0.0.1"],
      ["255.255.255.255"],
      ["::", "::"],
      ["::1"],
      ["FD00:0:0::0001", "fd00::1"],
      ["1:2:3:4:5:6:7:8"],
      ["::ffff:1.2.3.4", "::ffff:102:304"],
      ["fe80::1:0:0:1"],
    ]
  ) {
    assertEquals(formatIp(ip(text!)), form ?? text);
    assertEquals(ipFromBytes(ipBytes(ip(text!))), ip(text!));
  }
});

Deno.test("what only looks like an address is none", () => {
  for (
    const text of [
      "",
      "1.2.3",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.4.5",
      ":",
      ":::",
      "1::2::3",
      "g::1",
      "::1%eth0",
      "[::1]",
      "::1]/x",
      "1:2:3",
    ]
  ) {
    assertEquals(parseIp(text), undefined, text);
  }
});

Deno.test("a subnet is told from what is none, and its first address is its name", () => {
  assertEquals(formatSubnet(subnet("172.20.5.6/16")), "172.20.0.0/16");
  assertEquals(formatSubnet(subnet("fd00:1:2:3::9/64")), "fd00:1:2:3::/64");
  for (
    const text of ["172.20.0.0", "172.20.0.0/33", "/16", "fd00::/129", "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0.0/ 8"]
  ) {
    assertThrows(() => subnet(text), MiniError, "--subnet", text);
  }
});

Deno.test("subnets know what is in them, and what they share", () => {
  assertEquals(contains(subnet("10.1.0.0/16"), ip("10.1.255.255")), true);
  assertEquals(contains(subnet("10.1.0.0/16"), ip("10.2.0.0")), false);
  assertEquals(contains(subnet("0.0.0.0/0"), ip("::")), false);
  assertEquals(overlap(subnet("10.0.0.0/8"), subnet("10.9.0.0/24")), true);
  assertEquals(overlap(subnet("10.0.0.0/16"), subnet("10.1.0.0/16")), false);
});

Deno.test("the first and the last address of an IPv4 subnet are nobody's, unless there are only two", () => {
  const host = (network: string, text: string) => isHost(subnet(network), ip(text));
  assertEquals([host("10.0.0.0/24", "10.0.0.0"), host("10.0.0.0/24", "10.0.0.255")], [false, false]);
  assertEquals([host("10.0.0.0/24", "10.0.0.1"), host("10.0.0.0/31", "10.0.0.0")], [true, true]);
  assertEquals([host("fd00::/64", "fd00::"), host("fd00::/64", "fd00::ffff:ffff:ffff:ffff")], [false, true]);
});

Deno.test("hardware addresses are of one interface", () => {
  assertEquals(formatMac(parseMac("02:42:AC:11:00:02")), "02:42:ac:11:00:02");
  assertEquals(formatMac(macFor(ip("172.17.0.2"))), "02:42:ac:11:00:02");
  for (const text of ["", "02:42:ac:11:00", "03:42:ac:11:00:02", "00:00:00:00:00:00", "02:42:ac:11:00:0g"]) {
    assertThrows(() => parseMac(text), MiniError, "--mac-address", text);
  }
});
