import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { readSecurityOptions } from "./security_options.ts";

const read = (options: string[], privileged = false) => {
  const { seccomp, ...rest } = readSecurityOptions(options, privileged);
  return { ...rest, filtered: seccomp({ capabilities: [] }) !== undefined };
};
const DEFAULT = {
  privileged: false,
  noNewPrivileges: true,
  filtered: true,
  appArmor: undefined,
  label: undefined,
  openSystemPaths: false,
};

Deno.test("without options a container is confined, and privileged it is not, unless asked for one by one", () => {
  assertEquals(read([]), DEFAULT);
  const open = { ...DEFAULT, privileged: true, noNewPrivileges: false, filtered: false, appArmor: "unconfined" };
  assertEquals(read([], true), { ...open, openSystemPaths: true });
  assertEquals(
    read(["no-new-privileges", "seccomp=builtin", "apparmor=mine"], true),
    { ...open, openSystemPaths: true, noNewPrivileges: true, filtered: true, appArmor: "mine" },
  );
});

Deno.test("each option says one thing, with = or :, and the last of a kind counts", () => {
  assertEquals(read(["no-new-privileges=false"]).noNewPrivileges, false);
  assertEquals(read(["no-new-privileges:false", "no-new-privileges"]).noNewPrivileges, true);
  assertEquals(read(["seccomp:unconfined"]).filtered, false);
  assertEquals(read(["seccomp=unconfined", "seccomp=builtin"]).filtered, true);
  assertEquals(read(["apparmor=unconfined"]).appArmor, "unconfined");
  assertEquals(read(["apparmor:a=b:c"]).appArmor, "a=b:c");
  assertEquals(read(["systempaths=unconfined"]).openSystemPaths, true);
  assertEquals(read(["label=type:svirt_t", "label:level:s0:c1,c2"]).label, { type: "svirt_t", level: "s0:c1,c2" });
  assertEquals(read(["label=type:x", "label=disable"]).label, undefined);
});

Deno.test("what there is not is refused with what there is", () => {
  for (
    const [option, word] of [
      ["no-new-privileges=maybe", "true or false"],
      ["no-new-privileges=", "true or false"],
      ["apparmor=", "name of a profile"],
      ["apparmor", "name of a profile"],
      ["systempaths=hidden", "only be unconfined"],
      ["label=nosuch:x", "label=type:container_t"],
      ["label", "label=type:container_t"],
      ["label=type:", "label=type:container_t"],
      ["seccomp=", "unconfined, builtin or a file"],
      ["nosuch=1", "systempaths"],
      ["", "systempaths"],
    ] as const
  ) assertThrows(() => read([option]), MiniError, word);
});
