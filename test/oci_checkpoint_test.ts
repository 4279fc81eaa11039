/** Checkpoints by CRIU, where it works on this kernel; otherwise that they are refused. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { miniTest, type Need, needsProgram, runCommand, until } from "./harness.ts";
import { makeBundle, miniRuntime, scriptSpec } from "./oci_bundle.ts";

/** `criu check` looks at what the kernel can do; undefined if all is well. */
function needsCriu(): Need {
  const missing = needsProgram("criu");
  if (missing !== undefined) return missing;
  const { success } = new Deno.Command("criu", { args: ["check"], stdin: "null", stdout: "null", stderr: "null" })
    .outputSync();
  return success ? undefined : "CRIU does not work on this kernel";
}

/** Runs a command that leaves a container, whose streams are to be the null device: a file of the host's cannot be restored. */
async function quietly(command: readonly string[]): Promise<void> {
  const { status } = await runCommand(["sh", "-c", 'exec "$@" > /dev/null 2>&1', "sh", ...command]);
  assertEquals(status, 0, command.join(" "));
}

const criu = needsCriu();
const counting = scriptSpec("i=0; while :; do i=$((i+1)); echo $i >> /count; sleep 0.05; done");
/** The last number that a container has written. */
const count = async (bundle: string) => {
  const text = await Deno.readTextFile(`${bundle}/rootfs/count`).catch(() => "");
  return Number(text.trim().split("\n").at(-1));
};

miniTest("a container goes on where its checkpoint was made", async (context) => {
  const { folder } = context, runtime = miniRuntime(context), images = `${folder}/images`;
  const bundle = await makeBundle(`${folder}/bundle`, counting);
  try {
    await quietly(runtime.line("run", "-d", "-b", bundle, "web"));
    await until("counting", async () => await count(bundle) > 3);
    await runtime.do(["checkpoint", "--leave-running", "--image-path", images, "web"]);
    assertEquals((await runtime.state("web")).status, "running");
    await runtime.do(["checkpoint", "--image-path", images, "web"]);
    assert((await runtime.run(["state", "web"])).status !== 0, "it is gone");
    const before = await count(bundle);
    await quietly(runtime.line("restore", "-d", "-b", bundle, "--image-path", images, "web"));
    assertEquals((await runtime.state("web")).status, "running");
    await until("counting on", async () => await count(bundle) > before + 2);
    const lines = (await Deno.readTextFile(`${bundle}/rootfs/count`)).trim().split("\n").map(Number);
    assertEquals(lines, lines.map((_, i) => i + 1), "no number is missing or twice");
    assertEquals(await runtime.do(["exec", "web", "echo", "inside"]), "inside\n");
  } finally {
    await runtime.clear();
  }
}, [criu]);

miniTest("a checkpoint that cannot be made is refused, and the container goes on", async (context) => {
  const { folder } = context, runtime = miniRuntime(context);
  const bundle = await makeBundle(`${folder}/bundle`, counting);
  try {
    await runtime.do(["run", "-d", "-b", bundle, "web"]);
    const { status, stderr } = await runtime.run(["checkpoint", "--image-path", `${folder}/images`, "web"]);
    assertEquals(status, 1);
    assertMatch(stderr, /^mini: [^\n]*criu[^\n]*\n$/i);
    const before = await count(bundle) || 0;
    await until("counting on", async () => await count(bundle) > before);
    const refused = await runtime.run(["restore", "-b", bundle, "--image-path", `${folder}/nothing`, "other"]);
    assertMatch(refused.stderr, /^mini: [^\n]+\n$/);
    assertEquals(refused.status, 1);
    assert((await runtime.run(["state", "other"])).status !== 0, "nothing is left");
  } finally {
    await runtime.clear();
  }
}, [criu === undefined ? "CRIU works here" : undefined]);
