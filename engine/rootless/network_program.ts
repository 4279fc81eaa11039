/**
 * The process that keeps a user's network going: a program of a few system calls. It stands in the container's network
 * namespace without any right, which is where pasta and slirp4netns are let in, waits for the container's end, and takes them
 * along.
 */
import { CLONE_NEWNET, EPOLL_CTL_ADD, EPOLLIN, O_CLOEXEC, PR_SET_NAME, SIG_SETMASK } from "../../ffi/constants.ts";
import { op, type Operation, type Program, result } from "../../ffi/program.ts";
import { capset } from "../../runtime/plan_process.ts";

/** What the program is made of. */
export interface NetworkHelper {
  /** The program and its arguments; `NAMESPACE` stands for the path of the network namespace. */
  readonly command: readonly string[];
  /** Where it is started: sockets' paths are short. */
  readonly folder: string;
  /** Descriptors that the program uses: the null device, a file for what is said, our end of a pair, and what to pass on as 3. */
  readonly nothing: number;
  readonly said: number;
  readonly sync: number;
  readonly ready: number | undefined;
  /** Descriptors of the container's network namespace and of its PID 1. */
  readonly namespace: number;
  readonly container: number;
}

/** Stands for the path of the network namespace in a command. */
export const NAMESPACE = "NAMESPACE";
/** Bytes for it, with the zero at its end. */
export const NAMESPACE_BYTES = 64;
/** The name of the operation whose result is the program's own descriptor of pasta or slirp4netns. */
export const HELPER = "helper";

const CHILD = { cell: "child", size: 8 } as const, CHILD_NUMBER = { load: "child", size: 8 } as const;
const CLONE_PARENT_SETTID = 0x100000, SIGCHLD = 17, SIGKILL = 9;

/** struct epoll_event, with nothing to tell one from the other. */
const EVENT = new Uint8Array([EPOLLIN, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** Tells the number of the helper's process over the pair (8 bytes) and wants the namespace's path. */
export function networkProgram(helper: NetworkHelper): Program {
  const { command, nothing, said, sync, ready, namespace, container } = helper;
  const path = { cell: "path", size: NAMESPACE_BYTES } as const;
  const words = command.map((word) => word === NAMESPACE ? path : word);
  const child: Operation[] = [
    op("dup3", [said, 2, 0], "what it has to say is kept"),
    ...ready === undefined ? [] : [op("dup3", [ready, 3, 0], "it tells when it is ready")],
    op("read", [sync, path, NAMESPACE_BYTES], "until the namespace can be found", {
      jump: { when: "<=", to: "gave up" },
    }),
    op("rt_sigprocmask", [SIG_SETMASK, new Uint8Array(8), 0, 8], "no signal blocked"),
    op("execve", [command[0]!, { words: [...words, 0] }, ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"]], "the network"),
    op("exit_group", [1], "there will be none", { name: "gave up" }),
  ];
  return [
    op("setsid", [], "keys of the terminal are not for us"),
    op("chdir", [helper.folder], "paths of sockets are short"),
    op("dup3", [nothing, 0, 0], "nothing to read"),
    op("dup3", [nothing, 1, 0], "nothing to write to"),
    op("dup3", [nothing, 2, 0], "nothing to tell"),
    op("clone", [SIGCHLD | CLONE_PARENT_SETTID, 0, CHILD, 0, 0], "a child for the network", {
      jump: { when: ">", to: "parent" },
    }),
    ...child,
    op("prctl", [PR_SET_NAME, "mini-network", 0, 0, 0], "what ps calls it", { name: "parent", optional: true }),
    op("setns", [namespace, Number(CLONE_NEWNET)], "into the container's network"),
    capset(0n, 0n, 0n, "what has no rights may be looked at by others of its user"),
    op("pidfd_open", [CHILD_NUMBER, 0], "the child", { name: HELPER }),
    op("epoll_create1", [O_CLOEXEC], "to wait for two", { name: "epoll" }),
    op("epoll_ctl", [result("epoll"), EPOLL_CTL_ADD, container, EVENT], "the container's end"),
    op("epoll_ctl", [result("epoll"), EPOLL_CTL_ADD, result(HELPER), EVENT], "or the child's"),
    op("write", [sync, CHILD, 8], "tell mini the child's number"),
    op("close", [sync], "nothing more to say"),
    op("epoll_pwait", [result("epoll"), { cell: "event", size: 16 }, 1, -1, 0, 8], "until one of them ends", {
      name: "wait",
      optional: true,
      jump: { when: "<=", to: "wait" },
    }),
    op("kill", [CHILD_NUMBER, SIGKILL], "no network without a container", { optional: true }),
    op("wait4", [CHILD_NUMBER, 0, 0, 0], "until it is gone", { optional: true }),
    op("exit_group", [0], "done"),
  ];
}
