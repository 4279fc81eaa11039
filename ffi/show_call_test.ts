import { assertEquals } from "@std/assert";
import { CLONE_NEWCGROUP, MS_REC, MS_SLAVE, O_CLOEXEC, O_DIRECTORY, O_PATH } from "./constants.ts";
import { op, result } from "./program.ts";
import { manualPage, showCall, showResult } from "./show_call.ts";
import { showFlags } from "./show_flags.ts";

Deno.test("a call is shown as a person writes it", () => {
  const shown = [
    op("mount", ["none", "/", 0, MS_REC | MS_SLAVE, 0], ""),
    op("openat", [-100, "/merged", O_PATH | O_DIRECTORY | O_CLOEXEC, 0], ""),
    op("unshare", [Number(CLONE_NEWCGROUP)], ""),
    op("fchdir", [result("root")], ""),
    op("mkdirat", [result("root"), "dev", 0o755], ""),
    op("prctl", [38, 1, 0, 0, 0], ""),
    op("execve", ["/bin/sh", ["sh", "-c", "true"], ["A=b"]], ""),
    op("umask", [0], ""),
    op("add", [{ load: "status", size: 8 }, 128], "", { jump: { when: "!=", to: "end" } }),
    op("read", [9, { cell: "sync", size: 8 }, 1], "", { jump: { when: "=", to: "orphaned" } }),
  ].map(showCall);
  assertEquals(shown, [
    'mount("none", "/", 0, MS_SLAVE|MS_REC)',
    'openat(AT_FDCWD, "/merged", O_RDONLY|O_PATH|O_CLOEXEC|O_DIRECTORY, 00)',
    "unshare(CLONE_NEWCGROUP)",
    "fchdir(<root>)",
    'mkdirat(<root>, "dev", 0755)',
    "prctl(PR_SET_NO_NEW_PRIVS, 1)",
    'execve("/bin/sh", ["sh", "-c", "true"], ["A=b"])',
    "umask(00)",
    'status + 128 → if != 0: go to "end"',
    'read(9, &sync, 1) → if = 0: go to "orphaned"',
  ]);
});

Deno.test("flags without a name stay numbers, results name their errors, pages are the manual's", () => {
  assertEquals(showFlags("mount", MS_REC | 1 << 30), "MS_REC|0x40000000");
  assertEquals(showFlags("prctl", 12345), "0x3039");
  assertEquals([showResult(undefined), showResult(3), showResult(-2)], ["", "3", "ENOENT"]);
  assertEquals([manualPage("clone3"), manualPage("pivot_root"), manualPage("add")], ["clone(2)", "pivot_root(2)", ""]);
});
