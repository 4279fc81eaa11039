/** How the kernel schedules a process: processor time, disks, and which processors. */
import { MiniError } from "../ffi/errors.ts";
import { op, type Operation } from "../ffi/program.ts";
import type { Process, Scheduler } from "./spec.ts";

/** include/uapi/linux/sched.h */
const POLICIES: Record<string, number> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};
const FLAGS: Record<string, number> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};
/** ioprio_set(2) */
const IO_CLASSES: Record<string, number> = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 };
const IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_SHIFT = 13, IOPRIO_LEVELS = 8;
/** More processors than the kernel can be built for (NR_CPUS). */
const MOST_PROCESSORS = 8192;

const named = (table: Record<string, number>, name: string, what: string): number => {
  const value = Object.hasOwn(table, name) ? table[name] : undefined;
  if (value === undefined) {
    throw new MiniError(`${what} cannot be ${JSON.stringify(name)}: it is one of ${Object.keys(table).join(", ")}`);
  }
  return value;
};

/** struct sched_attr of its first version, sched_setattr(2). */
function schedulerAttributes(scheduler: Scheduler): Uint8Array {
  const { policy, nice = 0, priority = 0, flags = [], runtime = 0, deadline = 0, period = 0 } = scheduler;
  const bytes = new Uint8Array(48), view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint32(4, named(POLICIES, policy, "process.scheduler.policy"), true);
  const bits = flags.reduce((all, flag) => all | named(FLAGS, flag, "process.scheduler.flags"), 0);
  view.setBigUint64(8, BigInt(bits), true);
  view.setInt32(16, nice, true);
  view.setInt32(20, priority, true);
  [runtime, deadline, period].forEach((value, i) => view.setBigUint64(24 + 8 * i, BigInt(value), true));
  return bytes;
}

/** `process.scheduler` and `process.ioPriority`. @throws {MiniError} for names that there are not. */
export function schedulingOperations({ scheduler, ioPriority }: Process): Operation[] {
  const operations: Operation[] = [];
  if (ioPriority !== undefined) {
    const { class: name, priority = 0 } = ioPriority;
    const level = named(IO_CLASSES, name, "process.ioPriority.class");
    if (priority < 0 || priority >= IOPRIO_LEVELS) {
      throw new MiniError(`process.ioPriority.priority is 0 to ${IOPRIO_LEVELS - 1}, and ${priority} is not`);
    }
    const value = level << IOPRIO_CLASS_SHIFT | priority;
    operations.push(op("ioprio_set", [IOPRIO_WHO_PROCESS, 0, value], `disks: ${name} ${priority}`, { on: name }));
  }
  if (scheduler !== undefined) {
    const why = `processor time: ${scheduler.policy}`;
    operations.push(op("sched_setattr", [0, schedulerAttributes(scheduler), 0], why, { on: scheduler.policy }));
  }
  return operations;
}

/** The processors of a list such as `0-3, 7`, as the mask of sched_setaffinity(2). @throws {MiniError} */
export function processorMask(list: string, what: string): Uint8Array {
  const mask = new Uint8Array(MOST_PROCESSORS / 8);
  const refuse = () =>
    new MiniError(`${what} is a list of processors such as 0-3,7, and ${JSON.stringify(list)} is not`);
  for (const part of list.split(",")) {
    const [, first, last = first] = /^\s*(\d{1,4})(?:\s*-\s*(\d{1,4}))?\s*$/.exec(part) ?? [];
    if (first === undefined || Number(first) > Number(last) || Number(last) >= MOST_PROCESSORS) throw refuse();
    for (let i = Number(first); i <= Number(last); i++) mask[i >> 3]! |= 1 << (i & 7);
  }
  return mask;
}

/** Those of its cgroup, whichever its maker may run on: a container is not to have the choice of an engine's own processors. */
export function everyProcessor(): Operation {
  const mask = new Uint8Array(MOST_PROCESSORS / 8).fill(0xff);
  return op("sched_setaffinity", [0, mask.length, mask], "every processor of its cgroup", { optional: true });
}

/** Which processors a process may run on. */
export function affinityOperations(list: string | undefined, what: string): Operation[] {
  if (!list) return [];
  const mask = processorMask(list, what);
  return [op("sched_setaffinity", [0, mask.length, mask], `processors ${list}`, { on: what })];
}
