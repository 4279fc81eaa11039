/** The table in this folder's README lists every test, and nothing else. */
import { assertEquals } from "@std/assert";

const read = (name: string) => Deno.readTextFile(new URL(name, import.meta.url));

Deno.test("README.md lists every requirement that has a test", async () => {
  const files = await Promise.all(["runtime_test.ts", "config_test.ts", "linux_test.ts", "suites_test.ts"].map(read));
  const numbers = files.flatMap((text) => [...text.matchAll(/\bmust\(\s*["`](.+?)["`]/g)].map((match) => match[1]!))
    .map((number) => number.replace(/\$\{\w+\}/, "*"));
  const table = [...(await read("README.md")).matchAll(/^\| ([RCLS]\d\S*) +\|/gm)].map((match) => match[1]!);
  assertEquals(table, numbers);
});
