import { assertEquals, assertThrows } from "@std/assert";
import { O_CLOEXEC, O_WRONLY, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { checkLabels, labelOperations, openLabels, UNCONFINED } from "./lsm.ts";
import type { Process, Spec } from "./spec.ts";

const process = (more: Partial<Process>): Process => ({ cwd: "/", args: ["x"], user: { uid: 0, gid: 0 }, ...more });
const spec = (more: Partial<Process>, linux: Spec["linux"] = {}): Spec => ({
  ociVersion: "1.2.0",
  root: { path: "x" },
  process: process(more),
  linux,
});
const LABEL = "system_u:system_r:container_t:s0:c1,c2";

Deno.test("a profile is written through a procfs that only this process has, following no magic link", () => {
  const confined = process({ apparmorProfile: "mini-default" });
  assertEquals(openLabels(confined).map((o) => o.call), ["fsopen", "fsconfig", "fsconfig", "fsmount"]);
  const [open, write] = labelOperations(confined);
  assertEquals([open!.call, open!.args[0], open!.args[1]], [
    "openat2",
    { result: "private proc" },
    "self/attr/apparmor/exec",
  ]);
  assertEquals(open!.args[2], { words: [O_WRONLY | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS] });
  assertEquals([write!.call, write!.args[1], write!.args[2]], ["write", "exec mini-default", 17]);
});

Deno.test("a context of SELinux is written as it is", () => {
  const labelled = process({ selinuxLabel: LABEL });
  const [open, write] = labelOperations(labelled);
  assertEquals([open!.args[1], write!.args[1]], ["self/attr/exec", LABEL]);
});

Deno.test("without a label nothing is opened and nothing is written", () => {
  for (const more of [{}, { apparmorProfile: "" }, { apparmorProfile: UNCONFINED }, { selinuxLabel: "" }]) {
    assertEquals([...openLabels(process(more)), ...labelOperations(process(more))], []);
  }
});

Deno.test("labels that the kernel lacks the module for, and words that are none, are refused", () => {
  const all = () => ({ appArmor: true, selinux: true }), none = () => ({ appArmor: false, selinux: false });
  const refused = (made: Spec, modules: typeof all, word: string) =>
    assertThrows(() => checkLabels(made, modules), MiniError, word);
  refused(spec({ apparmorProfile: "x" }), none, "needs AppArmor");
  refused(spec({ selinuxLabel: LABEL }), none, "needs SELinux");
  refused(spec({}, { mountLabel: LABEL }), none, "needs SELinux");
  refused(spec({ apparmorProfile: "a b" }), all, "not a profile");
  refused(spec({ apparmorProfile: "a\n" }), all, "not a profile");
  refused(spec({ selinuxLabel: "a\0" }), all, "not a label");
  refused(spec({}, { mountLabel: 'a",rw' }), all, "not a label");
  checkLabels(spec({ apparmorProfile: UNCONFINED, selinuxLabel: "" }, { mountLabel: "" }), none);
  checkLabels(spec({ apparmorProfile: "x", selinuxLabel: LABEL }, { mountLabel: LABEL }), all);
});
