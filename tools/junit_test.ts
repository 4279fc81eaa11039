import { assertEquals } from "@std/assert";
import { parseJunit, summary } from "./junit.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="5" failures="1" errors="0" time="0.053">
    <testsuite name="./a_test.ts" tests="4" disabled="2" errors="0" failures="1">
        <testcase name="good &lt;failure&gt;" classname="./a_test.ts" time="0.001" line="1" col="6">
        </testcase>
        <testcase name="bad &amp; &lt;odd&gt;" classname="./a_test.ts" time="0.000" line="2" col="6">
            <failure message="Uncaught Error: x">Error: &quot;x&quot; &amp; &lt;y&gt;
    at file:///a_test.ts:2:30</failure>
        </testcase>
        <testcase name="ignored" classname="./a_test.ts" time="0.000" line="3" col="6">
            <skipped/>
        </testcase>
        <testcase name="good &gt; a step" classname="./a_test.ts" time="0.001" line="1" col="44">
        </testcase>
    </testsuite>
    <testsuite name="./b_test.ts" tests="1" disabled="0" errors="0" failures="0">
        <testcase name="short" classname="./b_test.ts"/>
    </testsuite>
</testsuites>
`;

Deno.test("results are counted by what each test case says", () => {
  assertEquals(parseJunit(REPORT), {
    passed: 3,
    failed: 1,
    skipped: 1,
    files: ["./a_test.ts", "./b_test.ts"],
    failures: [{
      file: "./a_test.ts",
      name: "bad & <odd>",
      text: 'Error: "x" & <y>\n    at file:///a_test.ts:2:30',
    }],
  });
});

Deno.test("the summary names skipped tests only if there are any", () => {
  assertEquals(summary({ passed: 3, failed: 1, skipped: 1 }), "3 passed, 1 failed, 1 skipped");
  assertEquals(summary({ passed: 3, failed: 0, skipped: 0 }), "3 passed, 0 failed");
});
