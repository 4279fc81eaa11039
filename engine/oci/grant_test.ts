import { assertEquals } from "@std/assert";
import type { Process } from "../../runtime/spec.ts";
import { grantable } from "./grant.ts";

const processWith = (names: string[]): Process => ({
  cwd: "/",
  args: ["x"],
  user: { uid: 0, gid: 0 },
  capabilities: { bounding: [...names], effective: [...names] },
});

Deno.test("capabilities that cannot be granted are left out of every set, and told once", () => {
  const process = processWith(["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_NOSUCH"]), warnings: string[] = [];
  grantable(process, false, (sentence) => warnings.push(sentence), () => ["CAP_CHOWN"]);
  assertEquals(process.capabilities, { bounding: ["CAP_CHOWN"], effective: ["CAP_CHOWN"] });
  assertEquals(warnings, ["these capabilities cannot be granted and are left out: CAP_NOSUCH, CAP_SYS_ADMIN"]);
});

Deno.test("in a user namespace every capability that there is can be granted", () => {
  const process = processWith(["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_NOSUCH"]), warnings: string[] = [];
  grantable(process, true, (sentence) => warnings.push(sentence), () => []);
  assertEquals(process.capabilities?.bounding, ["CAP_CHOWN", "CAP_SYS_ADMIN"]);
  assertEquals(warnings.length, 1);
});

Deno.test("nothing is said where everything can be granted", () => {
  const process = processWith(["CAP_CHOWN"]);
  grantable(process, false, (sentence) => {
    throw new Error(sentence);
  }, () => ["CAP_CHOWN"]);
  assertEquals(process.capabilities?.bounding, ["CAP_CHOWN"]);
});

Deno.test("only what is permitted and inheritable is handed on", () => {
  const both = ["CAP_CHOWN", "CAP_KILL"];
  const process: Process = {
    ...processWith(both),
    capabilities: { permitted: both, inheritable: ["CAP_KILL"], ambient: [...both] },
  };
  grantable(process, false, () => {}, () => both);
  assertEquals(process.capabilities?.ambient, ["CAP_KILL"]);
});
