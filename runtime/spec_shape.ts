/**
 * The shape of config.json: what schema/config-schema.json of the OCI runtime specification says of Linux.
 *
 * https://github.com/opencontainers/runtime-spec/blob/v1.2.0/schema
 */
import {
  flag,
  int32,
  int64,
  listOf,
  mapOf,
  object,
  oneOf,
  type Shape,
  text,
  uint16,
  uint32,
  uint64,
  whole,
} from "./shape.ts";

const texts = listOf(text);
const idMappings = listOf(
  object({ containerID: uint32, hostID: uint32, size: uint32 }, "containerID", "hostID", "size"),
);
const hooks = listOf(object({ path: text, args: texts, env: texts, timeout: whole(1, 2 ** 31 - 1) }, "path"));

/** process of config.json, and what `exec --process` is given. */
export const processShape: Shape = object(
  {
    terminal: flag,
    consoleSize: object({ height: uint16, width: uint16 }, "height", "width"),
    cwd: text,
    env: texts,
    args: texts,
    user: object({ uid: uint32, gid: uint32, umask: whole(0, 0o7777), additionalGids: listOf(uint32), username: text }),
    rlimits: listOf(object({ type: text, soft: uint64, hard: uint64 }, "type", "soft", "hard")),
    capabilities: object({ bounding: texts, permitted: texts, effective: texts, inheritable: texts, ambient: texts }),
    noNewPrivileges: flag,
    oomScoreAdj: whole(-1000, 1000),
    apparmorProfile: text,
    selinuxLabel: text,
    scheduler: object({
      policy: text,
      nice: int32,
      priority: int32,
      flags: texts,
      runtime: uint64,
      deadline: uint64,
      period: uint64,
    }, "policy"),
    ioPriority: object({ class: text, priority: int32 }, "class"),
    execCPUAffinity: object({ initial: text, final: text }),
  },
  "cwd",
);

const throttle = listOf(object({ major: int64, minor: int64, rate: uint64 }, "major", "minor"));

/** linux.resources, and what `update --resources` is given. */
export const resourcesShape: Shape = object({
  unified: mapOf(text),
  devices: listOf(object({ allow: flag, type: text, major: int64, minor: int64, access: text }, "allow")),
  pids: object({ limit: int64 }),
  blockIO: object({
    weight: uint16,
    leafWeight: uint16,
    weightDevice: listOf(object({ major: int64, minor: int64, weight: uint16, leafWeight: uint16 }, "major", "minor")),
    throttleReadBpsDevice: throttle,
    throttleWriteBpsDevice: throttle,
    throttleReadIOPSDevice: throttle,
    throttleWriteIOPSDevice: throttle,
  }),
  cpu: object({
    shares: uint64,
    quota: int64,
    burst: uint64,
    period: uint64,
    realtimeRuntime: int64,
    realtimePeriod: uint64,
    cpus: text,
    mems: text,
    idle: int64,
  }),
  hugepageLimits: listOf(object({ pageSize: text, limit: uint64 }, "pageSize", "limit")),
  memory: object({
    limit: int64,
    reservation: int64,
    swap: int64,
    kernel: int64,
    kernelTCP: int64,
    swappiness: uint64,
    disableOOMKiller: flag,
    useHierarchy: flag,
    checkBeforeUpdate: flag,
  }),
  network: object({
    classID: uint32,
    priorities: listOf(object({ name: text, priority: uint32 }, "name", "priority")),
  }),
  rdma: mapOf(object({ hcaHandles: uint32, hcaObjects: uint32 })),
});

const seccomp = object({
  defaultAction: text,
  defaultErrnoRet: uint32,
  flags: texts,
  listenerPath: text,
  listenerMetadata: text,
  architectures: texts,
  syscalls: listOf(object(
    {
      names: texts,
      action: text,
      errnoRet: uint32,
      args: listOf(object({ index: uint32, value: uint64, valueTwo: uint64, op: text }, "index", "value", "op")),
    },
    "names",
    "action",
  )),
}, "defaultAction");

const anything: Shape = () => {};

/** The whole of config.json. */
export const specShape: Shape = object({
  ociVersion: text,
  root: object({ path: text, readonly: flag }, "path"),
  hostname: text,
  domainname: text,
  process: processShape,
  mounts: listOf(object({
    destination: text,
    type: text,
    source: text,
    options: texts,
    uidMappings: idMappings,
    gidMappings: idMappings,
  }, "destination")),
  hooks: object({
    prestart: hooks,
    createRuntime: hooks,
    createContainer: hooks,
    startContainer: hooks,
    poststart: hooks,
    poststop: hooks,
  }),
  annotations: mapOf(text),
  linux: object({
    namespaces: listOf(object({ type: text, path: text }, "type")),
    uidMappings: idMappings,
    gidMappings: idMappings,
    timeOffsets: mapOf(object({ secs: int64, nanosecs: uint32 })),
    devices: listOf(object(
      {
        path: text,
        type: oneOf("c", "b", "u", "p"),
        major: int64,
        minor: int64,
        fileMode: uint32,
        uid: uint32,
        gid: uint32,
      },
      "type",
      "path",
    )),
    cgroupsPath: text,
    resources: resourcesShape,
    sysctl: mapOf(text),
    maskedPaths: texts,
    readonlyPaths: texts,
    seccomp,
    rootfsPropagation: text,
    mountLabel: text,
    personality: object({ domain: oneOf("LINUX", "LINUX32"), flags: texts }, "domain"),
    intelRdt: anything,
    netDevices: anything,
    memoryPolicy: anything,
  }),
}, "ociVersion");
