import { assert, assertEquals } from "@std/assert";
import { resolve } from "@std/path";
import { REFERENCE, reference } from "./docs.ts";

Deno.test("docs/commands.md is what the table of commands says", () => {
  assert(Deno.readTextFileSync(REFERENCE) === reference(), "run 'deno task docs' and commit docs/commands.md");
});

Deno.test("links of the documents lead to files that are there", () => {
  const root = resolve(import.meta.dirname!, "..");
  const documents = [
    ...["README.md", "CONTRIBUTING.md"],
    ...[...Deno.readDirSync(`${root}/docs`)].flatMap(({ name }) => name.endsWith(".md") ? [`docs/${name}`] : []),
  ];
  const broken = documents.flatMap((path) => {
    // What stands in code is no link.
    const text = Deno.readTextFileSync(`${root}/${path}`).replace(/^```.*?^```$|`[^`\n]*`/gms, "");
    return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = ""]) => {
      if (/^(https?:|#)/.test(target)) return [];
      try {
        Deno.statSync(resolve(root, path, "..", target.replace(/#.*/, "")));
        return [];
      } catch {
        return [`${path}: ${target}`];
      }
    });
  });
  assertEquals(broken, []);
  assert(documents.length > 10);
});
