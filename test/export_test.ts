/** `mini export`: a container's files as an archive. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { miniTest, until } from "./harness.ts";

/** The names in a tar archive, as tar(1) reads it. */
async function namesIn(archive: string): Promise<string[]> {
  const { success, stdout } = await new Deno.Command("tar", { args: ["-tf", archive] }).output();
  assert(success);
  return new TextDecoder().decode(stdout).trim().split("\n").map((name) => name.replace(/^\.\//, ""));
}

miniTest(
  "export gives the image's files with what the container has changed, and nothing of its mounts",
  async ({ mini, folder }) => {
    await Deno.mkdir(`${folder}/host`);
    await Deno.writeTextFile(`${folder}/host/secret`, "of the host");
    const script = "echo changed > /new; rm /etc/group; mkdir -p /a/b; chmod 4711 /a/b";
    await mini(["run", "--name", "web", "-v", `${folder}/host:/vol`, "starter", "sh", "-c", script]);
    const archive = `${folder}/web.tar`;
    assertEquals(await mini(["export", "-o", archive, "web"]), { status: 0, stdout: "", stderr: "" });
    const names = await namesIn(archive);
    for (const name of ["new", "bin/busybox", "a/b/", "vol/", "proc/"]) assert(names.includes(name), name);
    for (const name of ["etc/group", "vol/secret", "proc/self", "dev/null"]) assert(!names.includes(name), name);
    // What comes out goes in again.
    const imported = await mini(["import", archive, "web:saved"]);
    assertEquals(imported.status, 0);
    const again = await mini(["run", "--rm", "web:saved", "sh", "-c", "cat /new; stat -c %a /a/b; ls /etc/group"]);
    assertEquals(again.stdout, "changed\n4711\n");
    await mini(["rm", "web"]);
  },
);

miniTest("a running container is exported, to standard output without -o", async ({ mini, start, command }) => {
  const running = start([
    "run",
    "--rm",
    "--name",
    "web",
    "starter",
    "sh",
    "-c",
    "echo hi > /new; echo up; exec sleep 1000",
  ]);
  await until("the container runs", () => running.stdout().includes("up"));
  const { success, stdout } = await new Deno.Command("sh", {
    args: ["-c", '"$@" export web | tar -xOf - new', "sh", ...command],
  }).output();
  assertEquals([success, new TextDecoder().decode(stdout)], [true, "hi\n"]);
  await mini(["rm", "-f", "web"]);
  await running.output;
});

miniTest("what cannot be exported is said in one sentence, and no file is left", async ({ mini, folder }) => {
  const none = await mini(["export", "nobody"]);
  assertEquals([none.status, none.stderr], [1, "mini: No such container: nobody; 'mini ps -a' lists them\n"]);
  await mini(["run", "--name", "web", "starter", "true"]);
  const { status, stderr } = await mini(["export", "-o", `${folder}/no/such/file.tar`, "web"]);
  assertEquals(status, 1);
  assertStringIncludes(stderr, "/no/such/file.tar cannot be written");
  await mini(["rm", "web"]);
  assertEquals([...Deno.readDirSync(folder)].filter(({ name }) => name.includes("tmp-")), []);
});
