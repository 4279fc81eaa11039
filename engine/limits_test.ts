import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { cgroupPathBelow } from "./cgroups.ts";
import { checkLimits, type LimitFlags, limitResources, type Limits, optionalFiles, readLimits } from "./limits.ts";
import { changedResources, changeLimits } from "./limits_update.ts";

/** Flags as the command line has them. */
function flags(values: Record<string, boolean | number | string | string[]>): LimitFlags {
  const of = <T>(name: string) => values[name] as T | undefined;
  return { boolean: (n) => of(n) ?? false, string: of, number: of, list: (n) => of(n) ?? [] };
}

const MIB = 2 ** 20;

Deno.test("without flags there is a limit on processes alone", () => {
  assertEquals(readLimits(flags({ cgroupns: "private", "pids-limit": 0, memory: 0 })), { pidsLimit: -1 });
  assertEquals(readLimits(flags({})), {});
  assertEquals(limitResources({}), { pids: { limit: 2048 } });
  assertEquals(optionalFiles({}), ["pids.max", "memory.swap.max"]);
  assertEquals(optionalFiles({ pidsLimit: 5, memorySwap: -1 }), []);
});

Deno.test("flags become limits, and limits resources", () => {
  const limits = readLimits(flags({
    memory: 64 * MIB,
    "memory-reservation": 32 * MIB,
    "memory-swap": "-1",
    cpus: 0.5,
    "cpu-shares": 512,
    "cpuset-cpus": "0",
    "pids-limit": 7,
    "blkio-weight": 20,
    "oom-score-adj": 0,
    cgroupns: "host",
    "cgroup-parent": "/batch",
  }));
  assertEquals(limits, {
    memory: 64 * MIB,
    memoryReservation: 32 * MIB,
    memorySwap: -1,
    nanoCpus: 5e8,
    cpuShares: 512,
    cpusetCpus: "0",
    pidsLimit: 7,
    blkioWeight: 20,
    oomScoreAdj: 0,
    cgroupns: "host",
    cgroupParent: "/batch",
  });
  assertEquals(limitResources(limits), {
    pids: { limit: 7 },
    memory: { limit: 64 * MIB, reservation: 32 * MIB, swap: -1 },
    cpu: { shares: 512, period: 100_000, quota: 50_000, cpus: "0" },
    blockIO: { weight: 20 },
  });
});

Deno.test("as much swap as memory is the default", () => {
  assertEquals(limitResources({ memory: 64 * MIB }).memory, { limit: 64 * MIB, swap: 128 * MIB });
  assertEquals(limitResources({ memory: 64 * MIB, memorySwap: 64 * MIB }).memory?.swap, 64 * MIB);
});

Deno.test("disks come with their rates, the last colon parting them", () => {
  const limits = readLimits(flags({ "device-read-bps": ["/dev/a:b:1mb"], "device-write-iops": ["/dev/sda:100"] }));
  assertEquals(limits, {
    deviceReadBps: [{ path: "/dev/a:b", value: MIB }],
    deviceWriteIOps: [{ path: "/dev/sda", value: 100 }],
  });
  assertThrows(() => limitResources({ deviceReadBps: [{ path: "/dev/null", value: 1 }] }), MiniError, "is not a disk");
  assertThrows(
    () => limitResources({ deviceReadBps: [{ path: "/dev/none", value: 1 }] }),
    MiniError,
    "no disk /dev/none",
  );
});

Deno.test("what cannot be is refused by the flag's name", () => {
  const cases: [Parameters<typeof flags>[0], string][] = [
    [{ memory: MIB }, "--memory of 1048576 bytes is too little"],
    [{ memory: 8 * MIB, "memory-reservation": 9 * MIB }, "--memory-reservation is above --memory"],
    [{ "memory-swap": "1g" }, "needs --memory"],
    [{ memory: 8 * MIB, "memory-swap": "7m" }, "--memory-swap is below --memory"],
    [{ "memory-swap": "lots" }, "--memory-swap: 'lots' is not a size"],
    [{ "memory-swappiness": 10 }, "--memory-swappiness is of cgroup version 1"],
    [{ "kernel-memory": MIB }, "--kernel-memory is of cgroup version 1"],
    [{ "oom-kill-disable": true }, "--oom-kill-disable is of cgroup version 1"],
    [{ cpus: 0.001 }, "--cpus 0.001: it is from 0.01"],
    [{ cpus: 1e6 }, "--cpus 1000000: it is from 0.01"],
    [{ cpus: 1, "cpu-quota": 5000 }, "--cpus sets a period and a quota itself"],
    [{ "cpu-period": 5 }, "--cpu-period 5"],
    [{ "cpu-quota": 5 }, "--cpu-quota 5"],
    [{ "cpu-shares": 1 }, "--cpu-shares 1"],
    [{ "cpuset-cpus": "1-" }, '--cpuset-cpus "1-" is not a list'],
    [{ "blkio-weight": 5 }, "--blkio-weight 5"],
    [{ "device-read-bps": ["sda:1mb"] }, "is not DISK:VALUE"],
    [{ "device-read-bps": ["/dev/sda:fast"] }, "'fast' is not a size"],
    [{ "device-read-iops": ["/dev/sda:1m"] }, "'1m' is not a whole number"],
    [{ "blkio-weight-device": ["/dev/sda:5"] }, "'5' is not from 10 to 1000"],
    [{ "cgroup-parent": "a/../../b" }, "is not the path of a cgroup"],
    [{ "cgroup-parent": "/" }, "is not the path of a cgroup"],
  ];
  for (const [given, words] of cases) assertThrows(() => readLimits(flags(given)), MiniError, words);
});

Deno.test("a cgroup's parent is a path, or a slice by its name", () => {
  assertEquals(
    [undefined, "/batch", "batch/low/", "batch.slice", "a-b-c.slice", "/a-b.slice", "a.slice/b", "-.slice"].map((p) =>
      cgroupPathBelow(p, "ID")
    ),
    [
      "/mini/ID",
      "/batch/ID",
      "/batch/low/ID",
      "/batch.slice/ID",
      "/a.slice/a-b.slice/a-b-c.slice/ID",
      "/a-b.slice/ID",
      "/a.slice/b/ID",
      "/ID",
    ],
  );
});

Deno.test("a change replaces what it is about and leaves the rest", () => {
  const old: Limits = { memory: 64 * MIB, cpuPeriod: 50_000, cpuQuota: 25_000, cpuShares: 512 };
  assertEquals(changeLimits(old, { nanoCpus: 1e9 }), { memory: 64 * MIB, nanoCpus: 1e9, cpuShares: 512 });
  assertEquals(changeLimits({ nanoCpus: 1e9 }, { cpuQuota: 5000 }), { cpuQuota: 5000 });
  assertEquals(changeLimits(old, { memory: 0, cpuShares: 0 }), { cpuPeriod: 50_000, cpuQuota: 25_000 });
  assertEquals(changeLimits(old, { pidsLimit: 0 }).pidsLimit, -1);
  assertThrows(
    () => changeLimits({ memory: 64 * MIB, memorySwap: 70 * MIB }, { memory: 80 * MIB }),
    MiniError,
    "below",
  );
  assertThrows(() => changeLimits({}, { blkioWeight: 0 }), MiniError, "10 to 1000");
  assertThrows(() => changeLimits({}, { cpusetCpus: "" }), MiniError, "is empty");
});

Deno.test("what is taken away is written as no limit", () => {
  const all: Limits = { memory: 64 * MIB, memoryReservation: 8 * MIB, nanoCpus: 1e9, cpuShares: 512 };
  assertEquals(changedResources(all, {}), {
    pids: { limit: 2048 },
    memory: { limit: -1, swap: -1 },
    unified: { "memory.low": "0" },
    cpu: { quota: -1, period: 100_000, shares: 1024 },
  });
  assertEquals(changedResources({}, all), limitResources(all));
});

Deno.test("limits that came in another way are checked as well", () => {
  assertThrows(() => checkLimits({ memory: 5 }), MiniError, "too little");
  assertEquals(checkLimits({ memory: 0, pidsLimit: -7, cpusetCpus: "" }), { pidsLimit: -1 });
});
