/**
 * Becomes a command for which the kernel lacks system calls: they fail with ENOSYS, or EPERM as old filters have it, by a filter
 * of mini's own compiler. For root.
 *
 *     deno run -A test/without_calls.ts [EPERM:]openat2,fsopen COMMAND [ARGUMENT...]
 */
import { become } from "../ffi/become.ts";
import { op } from "../ffi/program.ts";
import { readyForSeccomp, seccompOperations } from "../runtime/plan_seccomp.ts";

const [missing = "", ...command] = Deno.args;
const [, isForbidden, calls = ""] = /^(EPERM:)?(.*)$/.exec(missing)!;
const ENOSYS = 38, EPERM = 1;
const section = {
  defaultAction: "SCMP_ACT_ALLOW" as const,
  syscalls: [{ names: calls.split(","), action: "SCMP_ACT_ERRNO" as const, errnoRet: isForbidden ? EPERM : ENOSYS }],
};
const environment = Object.entries(Deno.env.toObject()).map(([name, value]) => `${name}=${value}`);
await readyForSeccomp(section);
become([
  ...seccompOperations(section, true).late,
  op("rt_sigprocmask", [2, new Uint8Array(8), 0, 8], "no signal blocked"),
  op("execve", [command[0]!, command, environment], "the command"),
]);
