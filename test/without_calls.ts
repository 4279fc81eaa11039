/**
 * Becomes a command for which the kernel lacks system calls: they fail with ENOSYS, or EPERM as old filters have it, by a filter
 * of mini's own compiler. CLOSE_RANGE_CLOEXEC among them is that flag of close_range, which Linux 5.10 does not know. For root.
 *
 *     deno run -A test/without_calls.ts [EPERM:]openat2,fsopen COMMAND [ARGUMENT...]
 */
import { become } from "../ffi/become.ts";
import { CLOSE_RANGE_CLOEXEC } from "../ffi/constants.ts";
import { op } from "../ffi/program.ts";
import { readyForSeccomp, seccompOperations } from "../runtime/plan_seccomp.ts";

const [missing = "", ...command] = Deno.args;
const [, isForbidden, calls = ""] = /^(EPERM:)?(.*)$/.exec(missing)!;
const EPERM = 1, EINVAL = 22, ENOSYS = 38;
const names = calls.split(","), flag = "CLOSE_RANGE_CLOEXEC";
const section = {
  defaultAction: "SCMP_ACT_ALLOW" as const,
  syscalls: [
    {
      names: names.filter((name) => name !== flag),
      action: "SCMP_ACT_ERRNO" as const,
      errnoRet: isForbidden ? EPERM : ENOSYS,
    },
    ...names.includes(flag)
      ? [{
        names: ["close_range"],
        action: "SCMP_ACT_ERRNO" as const,
        errnoRet: EINVAL,
        args: [{ index: 2, value: CLOSE_RANGE_CLOEXEC, op: "SCMP_CMP_EQ" as const }],
      }]
      : [],
  ],
};
const environment = Object.entries(Deno.env.toObject()).map(([name, value]) => `${name}=${value}`);
await readyForSeccomp(section);
become([
  ...seccompOperations(section, true).late,
  op("rt_sigprocmask", [2, new Uint8Array(8), 0, 8], "no signal blocked"),
  op("execve", [command[0]!, command, environment], "the command"),
]);
