/** The hooks of a container, given its state at that moment. */
import { O_DIRECTORY, O_PATH } from "../../ffi/constants.ts";
import { MiniError, SyscallError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { hasHooks, runHooks } from "../../runtime/hooks.ts";
import type { Hooks, Spec } from "../../runtime/spec.ts";
import type { OciContainers, OciRecord, Status } from "./containers.ts";

/** A remark that does not end a command. */
export type Warn = (sentence: string) => void;

/** The number of a process as its own pid namespace counts. */
function innerPid(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^NSpid:.*\s(\d+)$/m.exec(status)?.[1] ?? pid);
}

/**
 * Runs hooks of these kinds in order, in our own namespaces.
 *
 * @throws {MiniError} for the first one that fails.
 */
export async function runOutside(
  containers: OciContainers,
  record: OciRecord,
  spec: Spec,
  status: Status,
  ...kinds: (keyof Hooks)[]
): Promise<void> {
  if (!hasHooks(spec, ...kinds)) return;
  const state = JSON.stringify(containers.state(record, status));
  for (const kind of kinds) await runHooks(kind, { spec, state, bundle: record.bundle });
}

/** Runs hooks in the container's namespaces. @throws {MiniError} for the first one that fails. */
export async function runInside(
  containers: OciContainers,
  record: OciRecord,
  spec: Spec,
  status: Status,
  pidfd: number,
  kind: keyof Hooks,
): Promise<void> {
  if (!hasHooks(spec, kind)) return;
  const state = JSON.stringify({ ...containers.state(record, status), pid: innerPid(record.pid) });
  const cgroup = record.cgroup === undefined ? undefined : open(record.cgroup, O_PATH | O_DIRECTORY);
  try {
    const listener = async (pid: number, fd: number) => {
      const { sendListener } = await import("./send_descriptor.ts");
      sendListener(spec.linux!.seccomp!, containers.state(record, status), pid, fd);
    };
    await runHooks(kind, { spec, state, bundle: record.bundle, inside: { pidfd, cgroup, listener } });
  } finally {
    if (cgroup !== undefined) close(cgroup);
  }
}

/** As the specification wants it of the hooks whose failure ends nothing: each is run, and a failure is told. */
export async function runAndWarn(
  containers: OciContainers,
  record: OciRecord,
  spec: Spec,
  status: Status,
  kind: "poststop",
  warn: Warn,
): Promise<void> {
  for (const hook of spec.hooks?.[kind] ?? []) {
    try {
      await runOutside(containers, record, { ...spec, hooks: { [kind]: [hook] } }, status, kind);
    } catch (error) {
      if (!(error instanceof MiniError || error instanceof SyscallError)) throw error;
      warn(error.message);
    }
  }
}
