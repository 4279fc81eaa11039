import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { contains, formatIp, formatSubnet, parseIp, parseSubnet } from "./address.ts";
import { DEFAULT_CONFIG, loadNetworkConfig, parseNetworkConfig } from "./config.ts";
import { freeSubnet, randomUla } from "./subnets.ts";

const subnet = (text: string) => parseSubnet(text, "");

Deno.test("a subnet that is given out shares no address with one that is used", () => {
  const next = (...used: string[]) => {
    const found = freeSubnet(DEFAULT_CONFIG.pools, used.map(subnet));
    return found && formatSubnet(found);
  };
  assertEquals(next(), "172.17.0.0/20");
  assertEquals(next("172.17.3.0/24"), "172.17.16.0/20");
  assertEquals(next("172.16.0.0/12"), "192.168.0.0/24");
  assertEquals(next("172.16.0.0/12", "192.168.0.0/25"), "192.168.1.0/24");
  assertEquals(next("172.16.0.0/12", "192.168.0.0/16"), undefined);
});

Deno.test("there is room for several hundred networks", () => {
  const used = [
    subnet("172.20.0.0/14"),
    subnet("172.24.0.0/13"),
    subnet("192.168.64.0/18"),
    subnet("192.168.128.0/17"),
  ];
  for (let next; (next = freeSubnet(DEFAULT_CONFIG.pools, used));) used.push(next);
  assertEquals(used.length, 4 + 3 * 16 + 64);
});

Deno.test("a private IPv6 subnet is one of those for that", () => {
  const one = randomUla([]);
  assert(contains(subnet("fd00::/8"), { version: 6, value: one.base }));
  assertEquals(one.prefix, 64);
});

Deno.test("the configuration says where ports are published and which subnets are taken", () => {
  const read = (network: unknown) => parseNetworkConfig(JSON.stringify({ network }), "c.json");
  assertEquals(parseNetworkConfig("{}", "c.json"), DEFAULT_CONFIG);
  assertEquals(DEFAULT_CONFIG.publishAddresses.map(formatIp), ["127.0.0.1"]);
  assertEquals(read({ publishAddress: "0.0.0.0" }).publishAddresses, [parseIp("0.0.0.0")!]);
  assertEquals(read({ publishAddress: ["0.0.0.0", "::"] }).publishAddresses.map(formatIp), ["0.0.0.0", "::"]);
  assertEquals(read({ default: "none" }).defaultNetwork, "none");
  assertEquals(read({ pools: [{ base: "10.0.0.0/8", size: 24 }] }).pools, [{ base: subnet("10.0.0.0/8"), size: 24 }]);
});

Deno.test("a setting that cannot be meant is refused with its name", () => {
  for (
    const network of [
      [],
      { publish: "x" },
      { default: "" },
      { default: ["bridge"] },
      { publishAddress: "everywhere" },
      { publishAddress: [] },
      { publishAddress: "::1" },
      { publishAddress: ["1.2.3.4", "1.2.3.5"] },
      { pools: [] },
      { pools: [{ base: "10.0.0.0/8" }] },
      { pools: [{ base: "10.0.0.0/8", size: 30 }] },
      { pools: [{ base: "10.0.0.0/8", size: 4 }] },
      { pools: [{ base: "fd00::/8", size: 24 }] },
      { pools: [{ base: "10.0.0.0/8", size: 24 }, { base: "10.1.0.0/16", size: 24 }] },
    ]
  ) {
    const text = JSON.stringify({ network });
    const error = assertThrows(() => parseNetworkConfig(text, "c.json"), MiniError, undefined, text);
    assert(/network|pools/.test(error.message), error.message);
  }
  assertThrows(() => parseNetworkConfig("{", "c.json"), MiniError, "c.json");
  assertThrows(() => loadNetworkConfig("/nonexistent/config.json"), MiniError, "/nonexistent/config.json");
});
