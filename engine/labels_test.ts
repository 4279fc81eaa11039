import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import type { Spec } from "../runtime/spec.ts";
import { labelSpec, selinuxContexts } from "./labels.ts";
import { readSecurityOptions } from "./security_options.ts";

const spec: Spec = {
  ociVersion: "1.2.0",
  root: { path: "x" },
  process: { cwd: "/", args: ["x"], user: { uid: 0, gid: 0 } },
};
const POLICY =
  'process = "system_u:system_r:box_t:s0"\ncontent = "system_u:object_r:no_t:s0"\nfile = "system_u:object_r:box_file_t:s0"\n';

Deno.test("contexts are the policy's, with the parts that were asked for", () => {
  assertEquals(selinuxContexts({}, POLICY, "s0:c1,c2"), {
    process: "system_u:system_r:box_t:s0:c1,c2",
    files: "system_u:object_r:box_file_t:s0:c1,c2",
  });
  assertEquals(
    selinuxContexts({ type: "mine_t", level: "s0:c9", filetype: "ours_t", user: "u", role: "r" }, POLICY, "s0:c1"),
    {
      process: "u:r:mine_t:s0:c9",
      files: "u:object_r:ours_t:s0:c9",
    },
  );
  assertEquals(selinuxContexts({}, "", "s0").process, "system_u:system_r:container_t:s0");
});

Deno.test("what the kernel does not have is refused if it was asked for, and left out if not", () => {
  const none = { appArmor: false, selinux: false };
  const label = (...options: string[]) => labelSpec(spec, readSecurityOptions(options, false), none);
  assertEquals(label().process.apparmorProfile, undefined);
  assertEquals(label("apparmor=unconfined", "label=disable"), { ...spec, linux: {} });
  assertThrows(() => label("apparmor=mine"), MiniError, "apparmor=mine needs AppArmor");
  assertThrows(() => label("label=type:x"), MiniError, "SELinux");
});

Deno.test("a profile that was asked for is taken as it is, and contexts are set together", () => {
  const all = { appArmor: true, selinux: true };
  const made = labelSpec(spec, readSecurityOptions(["apparmor=mine", "label=level:s0:c5", "label=type:t"], false), all);
  assertEquals(made.process.apparmorProfile, "mine");
  assertEquals([made.process.selinuxLabel?.endsWith(":t:s0:c5"), made.linux?.mountLabel?.endsWith(":s0:c5")], [
    true,
    true,
  ]);
  assertEquals(labelSpec(spec, readSecurityOptions([], true), all).process.apparmorProfile, undefined);
});
