/** AppArmor's default profile, where the kernel and the parser are there. */
import { assertEquals, assertMatch } from "@std/assert";
import { securityModules } from "../runtime/lsm.ts";
import { assertRefused, miniTest, needsProgram, until } from "./harness.ts";

const needs = [securityModules().appArmor ? undefined : "no AppArmor in this kernel", needsProgram("apparmor_parser")];
const words = (text: string) => text.split(" ").filter(Boolean);
const PROFILE = "cat /proc/self/attr/current";

miniTest("every program of a container is confined, and an unconfined one is not", async ({ mini, inside, start }) => {
  // Compiling the profile takes its time on a slow machine.
  await mini(words("run --rm starter true"), { timeout: 120_000 });
  assertEquals(await inside(PROFILE), "mini-default (enforce)\n");
  for (const flags of ["--init", "-u 1000:1000", "--userns auto", "--pid host"]) {
    assertEquals(await inside(PROFILE, ...words(flags)), "mini-default (enforce)\n", flags);
  }
  for (const flags of ["--privileged", "--security-opt apparmor=unconfined"]) {
    assertEquals(await inside(PROFILE, ...words(flags)), "unconfined\n", flags);
  }
  const running = start(words("run --rm --name it starter sh -c").concat("echo ready; sleep 1000"));
  await until("the container", () => running.stdout() === "ready\n");
  assertEquals((await mini(["exec", "it", "sh", "-c", PROFILE])).stdout, "mini-default (enforce)\n");
  const [{ AppArmorProfile }] = JSON.parse((await mini(["inspect", "it"])).stdout);
  assertEquals(AppArmorProfile, "mini-default");
  // Signals reach it.
  await mini(["stop", "-t", "0", "it"]);
  assertEquals((await running.output).status, 137);
}, needs);

miniTest("the profile forbids what capabilities would allow", async ({ inside }) => {
  const script = `
    mount -t tmpfs x /mnt 2>/dev/null || echo no mount
    (echo 1 > /proc/sys/kernel/dmesg_restrict) 2>/dev/null || echo no sysctl
    cat /proc/kcore >/dev/null 2>&1 || echo no kcore; echo x > /file && cat /file && mkfifo /fifo && echo works`;
  const open = words("--cap-add ALL --security-opt seccomp=unconfined --security-opt systempaths=unconfined");
  assertEquals(await inside(script, ...open), "no mount\nno sysctl\nno kcore\nx\nworks\n");
}, needs);

miniTest("a profile that is not loaded is told", async ({ mini }) => {
  const out = await mini(words("run --rm --security-opt apparmor=no-such-profile starter true"));
  assertRefused(out, 125, "no-such-profile");
  assertMatch(out.stderr, /ENOENT/);
}, needs);
