/** `exec`: a further process in a container. */
import { O_DIRECTORY, O_PATH } from "../../ffi/constants.ts";
import { MiniError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { isTerminal, plainLines } from "../../ffi/terminal.ts";
import { startExec, type Target } from "../../runtime/exec.ts";
import { hasNamespace } from "../../runtime/plan_namespaces.ts";
import type { Process } from "../../runtime/spec.ts";
import { openProcess } from "../process.ts";
import { cgroupBelow } from "./cgroup.ts";
import type { OciContainers } from "./containers.ts";
import { writePidFile } from "./create.ts";
import { settleEnvironment } from "./environment.ts";
import { grantable } from "./grant.ts";
import type { Warn } from "./hooks.ts";
import { preservedFds } from "./preserved_fds.ts";

export interface ExecOptions {
  readonly consoleSocket?: string | undefined;
  readonly pidfdSocket?: string | undefined;
  readonly pidFile?: string | undefined;
  readonly preserveFds: number;
  /** It goes on when we have ended, as the child of whoever adopts it. */
  readonly detach: boolean;
  readonly ignorePaused: boolean;
  /** A cgroup below the container's own. */
  readonly cgroup?: string | undefined;
}

const STANDARD = [0, 1, 2] as const;

/**
 * Runs a process in a container.
 *
 * @param describe the process, from the container's own.
 * @returns its exit status as a shell counts it; 0 when it is detached.
 * @throws {MiniError} when the container does not run, or the process cannot be started.
 */
export async function exec(
  containers: OciContainers,
  id: string,
  describe: (own: Process) => Process,
  options: ExecOptions,
  warn: Warn,
): Promise<number> {
  const record = containers.read(id), status = containers.status(record);
  if (status === "stopped") throw new MiniError(`cannot exec in a stopped container: ${id} is not running`);
  if (status === "paused" && !options.ignorePaused) {
    throw new MiniError(`cannot exec in a paused container (use --ignore-paused to override): ${id}`);
  }
  const spec = await containers.spec(record), process = describe(spec.process);
  const terminal = process.terminal ?? false;
  if (options.consoleSocket !== undefined && !terminal) {
    throw new MiniError("cannot use console socket if mini-runc will not allocate tty: give --tty");
  }
  if (terminal && options.detach && options.consoleSocket === undefined) {
    throw new MiniError(
      "cannot allocate tty if mini-runc will detach without setting console socket: give --console-socket",
    );
  }
  const fds = preservedFds(options.preserveFds);
  grantable(process, hasNamespace(spec, "user"), warn);
  const pidfd = openProcess(record);
  if (pidfd === undefined) throw new MiniError(`cannot exec in a stopped container: ${id} is not running`);
  await settleEnvironment(process, fds.env, () => open(`/proc/${record.pid}/root`, O_PATH | O_DIRECTORY));
  const cgroup = record.cgroup === undefined ? undefined : cgroupBelow(record.cgroup, options.cgroup);
  const target: Target = { pid: record.pid, pidfd, spec, cgroup };
  const listener = async (pid: number, fd: number) => {
    const { sendListener } = await import("./send_descriptor.ts");
    sendListener(spec.linux!.seccomp!, containers.state(record), pid, fd);
  };
  const { consoleSize } = process;
  const windowSize = consoleSize && { rows: consoleSize.height, columns: consoleSize.width };
  // What is not shown on a terminal is text, as runc writes it.
  const prepareTerminal = options.consoleSocket === undefined && !isTerminal(1) ? plainLines : undefined;
  const common = {
    windowSize,
    prepareTerminal,
    everyProcessor: true,
    outlives: options.detach,
    preserveFds: fds.count,
    listener,
  };
  try {
    const container = await startExec(target, process, { ...common, ...terminal ? {} : { stdio: STANDARD } });
    if (container.terminal !== undefined && options.consoleSocket !== undefined) {
      const { sendDescriptor } = await import("./send_descriptor.ts");
      sendDescriptor(options.consoleSocket, container.terminal, "/dev/ptmx");
      close(container.terminal);
    }
    if (options.pidFile !== undefined) writePidFile(options.pidFile, container.pid);
    if (options.pidfdSocket !== undefined) {
      const { sendDescriptor } = await import("./send_descriptor.ts");
      sendDescriptor(options.pidfdSocket, container.pidfd, "pidfd");
    }
    if (options.detach) {
      await container.release();
      return 0;
    }
    const { inForeground } = await import("./foreground.ts");
    return await inForeground(container, options.consoleSocket === undefined);
  } finally {
    close(pidfd);
  }
}
