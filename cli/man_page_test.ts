import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { manPages, roff } from "./man_page.ts";
import { commands, groups, nouns } from "./table.ts";

const pages = manPages({ groups, nouns, commands }, "1.2.3");

Deno.test("there is a manual page for mini and for each command that is shown", () => {
  const shown = commands.filter(({ hidden }) => !hidden);
  assertEquals(pages.length, shown.length + 1);
  const [overview] = pages;
  for (const { name } of shown) {
    assertStringIncludes(overview!.text, `mini\\-${name.replaceAll(" ", "\\-")} (1)`.replaceAll("-\\-", "\\-"));
  }
  assertEquals(new Set(pages.map(({ file }) => file)).size, pages.length);
});

Deno.test("a page has the flags and examples of its command", () => {
  const { text } = pages.find(({ file }) => file === "mini-run.1")!;
  assertMatch(text, /^\.TH MINI\\-RUN 1 "" "mini 1\.2\.3" "mini"\n\.SH NAME\nmini\\-run \\- /);
  assertStringIncludes(text, "\n.TP\n\\fB\\-\\-rm\\fR\n");
  assertStringIncludes(text, "mini run \\-it \\-\\-rm starter sh");
  assertStringIncludes(text, ".SH EXIT STATUS\n125 when");
});

Deno.test("no line of text is taken for a request", () => {
  assertEquals(roff("a-b\\c\n.x\n'y…"), "a\\-b\\ec\n\\&.x\n\\&'y\\[u2026]");
  const requests = /^\.(TH|SH|TP|BR|B|I|PP|nf|fi|RS|RE)( |$)/;
  for (const { text } of pages) {
    for (const line of text.split("\n")) assert(!line.startsWith(".") || requests.test(line), line);
  }
});
