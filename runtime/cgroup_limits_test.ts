import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { cgroupWrites, cpuWeight } from "./cgroup_limits.ts";
import type { Resources } from "./resources.ts";

/** `file=value` each. */
const files = (resources: Resources) => cgroupWrites(resources).map(({ file, value }) => `${file}=${value}`);

Deno.test("no resources are no writes, and neither are zeros of things that version 1 alone has", () => {
  assertEquals(files({}), []);
  const zeros = { memory: { limit: 0, swap: 0, reservation: 0, kernel: 0, kernelTCP: -1, disableOOMKiller: false } };
  assertEquals(files({ ...zeros, cpu: { shares: 0, quota: 0, period: 0, realtimePeriod: 0 }, network: {} }), []);
});

Deno.test("the limit on swap is what memory and swap together leave", () => {
  const limit = 64 << 20;
  assertEquals(files({ memory: { limit, swap: 2 * limit } }), ["memory.swap.max=67108864", "memory.max=67108864"]);
  assertEquals(files({ memory: { limit, swap: limit } }), ["memory.swap.max=0", "memory.max=67108864"]);
  assertEquals(files({ memory: { limit, swap: -1 } }), ["memory.swap.max=max", "memory.max=67108864"]);
  assertEquals(files({ memory: { limit: -1, swap: -1, reservation: 4096 } }), [
    "memory.swap.max=max",
    "memory.max=max",
    "memory.low=4096",
  ]);
  assertEquals(files({ memory: { limit: 2 ** 63 } }), ["memory.max=max"]);
  assertThrows(() => files({ memory: { limit, swap: limit - 1 } }), MiniError, "below the memory limit");
  assertThrows(() => files({ memory: { swap: limit } }), MiniError, "needs a memory limit as well");
});

Deno.test("shares become weights by the curve through the smallest, the default and the largest", () => {
  assertEquals([0, 1, 2, 1024, 2000, 262144, 300000].map(cpuWeight), [1, 1, 1, 100, 170, 10000, 10000]);
  let before = 0;
  for (let shares = 2; shares < 262144; shares += 997) {
    const weight = cpuWeight(shares);
    if (weight < before) throw new Error(`${shares} shares weigh ${weight}, less than fewer shares`);
    before = weight;
  }
});

Deno.test("a quota and a period are one line, either may be missing", () => {
  assertEquals(files({ cpu: { quota: 50_000, period: 100_000 } }), ["cpu.max=50000 100000"]);
  assertEquals(files({ cpu: { quota: 50_000 } }), ["cpu.max=50000"]);
  assertEquals(files({ cpu: { period: 20_000 } }), ["cpu.max=max 20000"]);
  assertEquals(files({ cpu: { quota: -1, period: 100_000 } }), ["cpu.max=max 100000"]);
  assertEquals(files({ cpu: { cpus: "0-1", mems: "0", burst: 1000, shares: 1024, idle: 0 } }), [
    "cpu.idle=0",
    "cpu.weight=100",
    "cpu.max.burst=1000",
    "cpuset.cpus=0-1",
    "cpuset.mems=0",
  ]);
});

Deno.test("0 and -1 processes are any number of them", () => {
  assertEquals([0, -1, 7].map((limit) => files({ pids: { limit } })[0]), [
    "pids.max=max",
    "pids.max=max",
    "pids.max=7",
  ]);
});

Deno.test("all rates of one disk are one line", () => {
  const blockIO = {
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 << 20 }, { major: 8, minor: 16, rate: 5 }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 100 }],
  };
  assertEquals(files({ blockIO }), ["io.max=8:0 rbps=1048576 wiops=100", "io.max=8:16 rbps=5"]);
});

Deno.test("a weight on disks has another scale where the kernel has no BFQ", () => {
  const writes = cgroupWrites({ blockIO: { weight: 10, weightDevice: [{ major: 8, minor: 0, weight: 1000 }] } });
  assertEquals(writes.map((w) => [w.file, w.value, w.otherwise?.file, w.otherwise?.value]), [
    ["io.bfq.weight", "10", "io.weight", "1"],
    ["io.bfq.weight", "8:0 1000", "io.weight", "8:0 10000"],
  ]);
  assertThrows(() => files({ blockIO: { weight: 9 } }), MiniError, "10 to 1000");
});

Deno.test("huge pages are limited when they are reserved, too", () => {
  assertEquals(files({ hugepageLimits: [{ pageSize: "2MB", limit: 4 << 20 }] }), [
    "hugetlb.2MB.max=4194304",
    "hugetlb.2MB.rsvd.max=4194304",
  ]);
  assertThrows(() => files({ hugepageLimits: [{ pageSize: "../x", limit: 1 }] }), MiniError, "is not a size");
});

Deno.test("unified files are written as they are, after all else, line by line", () => {
  const unified = { "memory.high": "1000", "io.max": "8:0 rbps=1\n8:16 rbps=2" };
  assertEquals(files({ unified, pids: { limit: 1 } }), [
    "pids.max=1",
    "memory.high=1000",
    "io.max=8:0 rbps=1",
    "io.max=8:16 rbps=2",
  ]);
  for (const name of ["../memory.high", "a/b.c", "memory", "cgroup.procs", ""]) {
    assertThrows(() => files({ unified: { [name]: "1" } }), MiniError, "linux.resources.unified");
  }
});

Deno.test("what version 2 does not have is refused by name", () => {
  const cases: [Resources, string][] = [
    [{ memory: { kernel: 1 } }, "kernel memory"],
    [{ memory: { swappiness: 0 } }, "swappiness"],
    [{ memory: { disableOOMKiller: true } }, "OOM killer"],
    [{ cpu: { realtimeRuntime: 1 } }, "realtime"],
    [{ blockIO: { leafWeight: 10 } }, "leafWeight"],
    [{ network: { classID: 1 } }, "linux.resources.network"],
    [{ memory: { limit: 1.5 } }, "whole number"],
    [{ pids: { limit: 1.5 } }, "whole number"],
    [{ memory: { limit: -2 } }, "whole number"],
  ];
  for (const [resources, words] of cases) assertThrows(() => files(resources), MiniError, words);
});
