import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { elf } from "../ffi/elf.ts";
import { machine } from "../ffi/kernel.ts";
import { plan } from "./plan.ts";
import { checkSpec } from "./spec_check.ts";
import { parseProcess, parseResources, parseSpec } from "./spec_read.ts";
import { readyForSeccomp } from "./plan_seccomp.ts";

// Loads the compiler, which the sections below need.
await readyForSeccomp({ defaultAction: "SCMP_ACT_ALLOW" });

/** Something of everything. */
const SAMPLE = {
  ociVersion: "1.2.0",
  root: { path: "rootfs", readonly: true },
  hostname: "box",
  process: {
    terminal: false,
    consoleSize: { height: 24, width: 80 },
    cwd: "/work",
    env: ["PATH=/bin", "A=b"],
    args: ["sh", "-c", "true"],
    user: { uid: 1, gid: 2, umask: 18, additionalGids: [3] },
    rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 }],
    capabilities: { bounding: ["CAP_KILL"], effective: ["CAP_KILL"], permitted: [], inheritable: [], ambient: [] },
    noNewPrivileges: true,
    oomScoreAdj: 10,
    scheduler: { policy: "SCHED_BATCH", nice: 3, flags: ["SCHED_FLAG_RESET_ON_FORK"] },
    ioPriority: { class: "IOPRIO_CLASS_BE", priority: 4 },
    execCPUAffinity: { initial: "0-1", final: "0" },
  },
  mounts: [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid"] },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755", "size=65536k"] },
    { destination: "/data", type: "bind", source: "data", options: ["rbind", "rro", "rslave"] },
  ],
  hooks: { createRuntime: [{ path: "/bin/true", args: ["true"], env: ["A=b"], timeout: 3 }] },
  annotations: { "org.example": "x" },
  linux: {
    namespaces: [{ type: "pid" }, { type: "mount" }, { type: "uts" }, { type: "network", path: "/proc/1/ns/net" }],
    timeOffsets: { monotonic: { secs: 1, nanosecs: 2 } },
    devices: [{ path: "/dev/x", type: "c", major: 1, minor: 3, fileMode: 438, uid: 0, gid: 0 }],
    cgroupsPath: "/a/b",
    resources: {
      devices: [{ allow: false, access: "rwm" }],
      memory: { limit: 1000000 },
      cpu: { shares: 10 },
      pids: { limit: 5 },
    },
    sysctl: { "kernel.domainname": "x" },
    maskedPaths: ["/proc/kcore"],
    readonlyPaths: ["/proc/sys"],
    rootfsPropagation: "private",
    personality: { domain: "LINUX" },
    seccomp: {
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: ["SCMP_ARCH_X86_64"],
      syscalls: [{
        names: ["mkdir"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: 1,
        args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }],
      }],
    },
  },
};
const sample = () => structuredClone(SAMPLE);
const parse = (value: unknown) => parseSpec(JSON.stringify(value), "/bundle");

Deno.test("a specification is read, with paths of the host made absolute", () => {
  const spec = parse(sample());
  assertEquals([spec.root.path, spec.mounts![2]!.source], ["/bundle/rootfs", "/bundle/data"]);
  assertEquals(spec.process.rlimits, [{ type: "RLIMIT_NOFILE", soft: 1024n, hard: 4096n }]);
  checkSpec(spec);
});

Deno.test("what is null is not there, and what is unknown is passed over", () => {
  const spec = parse({ ...sample(), hooks: null, unknown: 1, process: { ...SAMPLE.process, rlimits: null } });
  assertEquals([spec.hooks, spec.process.rlimits], [undefined, undefined]);
});

Deno.test("numbers beyond 2^53 are exact where that matters", () => {
  const text = JSON.stringify(sample()).replace('"hard":4096', '"hard":18446744073709551615')
    .replace('"limit":1000000', '"limit":9223372036854771712');
  const spec = parseSpec(text, "/bundle");
  assertEquals(spec.process.rlimits![0]!.hard, 2n ** 64n - 1n);
  assertEquals(spec.linux!.resources!.memory!.limit, 9223372036854771712);
});

Deno.test("what is wrong is told with its place", () => {
  const wrong: [string, string][] = [
    ["{", "not JSON"],
    ["[]", "must be an object"],
    ["null", "must be an object"],
    ["{}", "ociVersion is missing"],
    ['{"ociVersion":"1.0.0"}', "root is missing"],
    ['{"ociVersion":"3.0.0","root":{"path":"x"}}', "ociVersion"],
    ['{"ociVersion":"1.0.0","root":{"path":"x"}}', "process is missing"],
    ['{"ociVersion":"1.0.0","root":{"path":"x"},"process":{"cwd":"/","user":{"uid":"0"}}}', "process.user.uid"],
    ['{"ociVersion":"1.0.0","root":{"path":"x"},"process":{"cwd":"/","args":["a",1]}}', "process.args[1]"],
    ['{"ociVersion":"1.0.0","vm":{"kernel":{"path":"/x"}},"root":{"path":"x"}}', "vm"],
  ];
  for (const [text, words] of wrong) assertThrows(() => parseSpec(text, "/bundle"), MiniError, words);
  assertThrows(() => parseProcess("{}", "x"), MiniError, "process.cwd is missing");
  assertThrows(() => parseResources('{"memory":{"limit":"1"}}', "x"), MiniError, "resources.memory.limit");
});

/** mulberry32: the same numbers for the same seed. */
function randomNumbers(seed: number): (below: number) => number {
  return (below) => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) % below;
  };
}

const JUNK: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  1e300,
  2 ** 32,
  2 ** 53,
  "",
  "x",
  "/",
  "../../..",
  "\0",
  "a\nb",
  "/proc/1/ns/net",
  "\ud800",
  [],
  [[]],
  [null],
  {},
  { path: "" },
  { "": "" },
  "x".repeat(5000),
];

/** Changes one place of a value, somewhere below. */
function mutate(value: unknown, random: (below: number) => number): unknown {
  if (value === null || typeof value !== "object" || random(4) === 0) return structuredClone(JUNK[random(JUNK.length)]);
  const keys = Object.keys(value), object = value as Record<string, unknown>;
  const key = keys[random(Math.max(1, keys.length))];
  if (key === undefined) return structuredClone(JUNK[random(JUNK.length)]);
  switch (random(8)) {
    case 0:
      delete object[key];
      return value;
    case 1:
      object[`${key}x`] = object[key];
      return value;
    case 2:
      if (Array.isArray(value)) value.push(structuredClone(value[random(value.length)]));
      return value;
  }
  object[key] = mutate(object[key], random);
  return value;
}

Deno.test("whatever a specification says, it is carried out or refused in one sentence", () => {
  let accepted = 0, refused = 0;
  for (let seed = 1; seed <= 3000; seed++) {
    const random = randomNumbers(seed), value = sample();
    let mutated: unknown = value;
    for (let times = 1 + random(3); times > 0; times--) mutated = mutate(mutated, random);
    let text = JSON.stringify(mutated) ?? "";
    if (random(20) === 0) text = text.slice(0, random(text.length + 1));
    try {
      const spec = parseSpec(text, "/bundle");
      checkSpec(spec);
      const { program } = plan({
        spec,
        rootfs: { kind: "directory", path: spec.root.path },
        facts: { isDirectory: () => true, cgroup2: true, lastCapability: 40, copyUp: 3 },
        descriptors: { sync: 3, namespaces: { network: 4 }, stdio: [0, 1, 2] },
        init: false,
        gate: { fifo: 5, preserveFds: 0, ownStreams: [] },
      });
      elf(program, machine);
      accepted++;
    } catch (error) {
      assert(
        error instanceof MiniError,
        `seed ${seed}: ${error instanceof Error ? error.stack : error}\n${text.slice(0, 600)}`,
      );
      assert(!/[.\n]$/.test(error.message) && error.message.length > 5, `seed ${seed}: ${error.message}`);
      refused++;
    }
  }
  assert(accepted > 300 && refused > 300, `${accepted} accepted, ${refused} refused`);
});
