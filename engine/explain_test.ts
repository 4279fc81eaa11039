import { assertEquals } from "@std/assert";
import { op } from "../ffi/program.ts";
import { folded, planned, type Step } from "./explain.ts";

const program = [
  op("unshare", [0x02000000], "a cgroup namespace"),
  ...[1, 2, 3, 4, 5].map((n) => op("prctl", [24, n, 0, 0, 0], `drop ${n}`)),
  op("execve", ["/bin/sh", ["sh"], []], "become /bin/sh"),
];
const phases = [{ phase: "namespaces", length: 1 }, { phase: "security", length: 5 }, {
  phase: "exec",
  length: 1,
}] as const;

Deno.test("a plan is shown with phases, calls and manual pages", () => {
  const steps = planned(program, phases);
  assertEquals(steps.map(({ number, phase, page }) => `${number} ${phase} ${page}`), [
    "1 namespaces unshare(2)",
    "2 security prctl(2)",
    "3 security prctl(2)",
    "4 security prctl(2)",
    "5 security prctl(2)",
    "6 security prctl(2)",
    "7 exec execve(2)",
  ]);
  assertEquals(steps[1]!.call, "prctl(PR_CAPBSET_DROP, 1)");
});

Deno.test("many of a kind are one line, a few are not", () => {
  const steps: Step[] = planned(program, phases).map((step) => ({ ...step, microseconds: 2 }));
  const short = folded(steps);
  assertEquals(short.map(({ call, microseconds }) => [call, microseconds]), [
    ["unshare(CLONE_NEWCGROUP)", 2],
    ["prctl(PR_CAPBSET_DROP, 1)  … and 4 more of prctl", 10],
    ['execve("/bin/sh", ["sh"], [])', 2],
  ]);
  assertEquals(folded(steps.slice(0, 4)).length, 4);
});
