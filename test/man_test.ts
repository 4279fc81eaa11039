import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertRefused, miniTest, needsProgram, runCommand } from "./harness.ts";

miniTest("mini man writes a page for each command", async ({ mini, folder }) => {
  const { status, stdout } = await mini(["man", `${folder}/man/man1`]);
  assertEquals(status, 0);
  const files = [...Deno.readDirSync(`${folder}/man/man1`)].map(({ name }) => name);
  assertMatch(stdout, new RegExp(`^${files.length} pages in `));
  assertEquals(["mini.1", "mini-run.1", "mini-image-inspect.1"].filter((name) => !files.includes(name)), []);
  assertRefused(await mini(["man", "/proc/here"]), 1, "cannot be written into /proc/here");
  assertRefused(await mini(["man"]), 1, "a directory");
});

miniTest("the pages are read by groff without a warning", async ({ mini, folder }) => {
  assertEquals((await mini(["man", folder])).status, 0);
  for (const page of ["mini.1", "mini-run.1", "mini-network-create.1"]) {
    const { status, stdout, stderr } = await runCommand([
      "groff",
      "-ww",
      "-man",
      "-Tutf8",
      "-P-cbou",
      `${folder}/${page}`,
    ]);
    assertEquals([status, stderr], [0, ""], page);
    assertStringIncludes(stdout, "NAME");
  }
}, [needsProgram("groff")]);
