/** The descriptors above 2 that a container is to keep: --preserve-fds, and the sockets of sd_listen_fds(3). */
import { MiniError } from "../../ffi/errors.ts";
import { trySyscall } from "../../ffi/kernel.ts";

const F_GETFD = 1, FD_CLOEXEC = 1;

/**
 * Counts them, and makes sure that they are our caller's. What this process has opened itself is closed at an execve, and
 * what it was started with is not, or it would not be here.
 *
 * @returns how many there are from 3 on, and what is added to the environment.
 * @throws {MiniError} for one that is not open.
 */
export function preservedFds(asked: number, environment: Pick<typeof Deno.env, "get"> = Deno.env) {
  const listen = environment.get("LISTEN_FDS") ?? "";
  const sockets = /^[1-9]\d{0,3}$/.test(listen) ? Number(listen) : 0;
  const count = asked + sockets;
  for (let fd = 3; fd < 3 + count; fd++) {
    const flags = trySyscall("fcntl", fd, F_GETFD);
    if (flags < 0 || flags & FD_CLOEXEC) {
      throw new MiniError(
        `descriptor ${fd} is not open: ${count} were to be passed on (--preserve-fds and LISTEN_FDS)`,
      );
    }
  }
  return { count, env: sockets > 0 ? [`LISTEN_FDS=${sockets}`, "LISTEN_PID=1"] : [] };
}
