/** docs/tour.md: every command of it, and what it says that they answer. */
import { assert, assertEquals } from "@std/assert";
import { resolve } from "@std/path";
import { miniTest, needsProgram, runCommand } from "./harness.ts";

const ROOT = resolve(import.meta.dirname!, "..");

/** The answer of the document as a pattern: `…` is anything, and a line of it alone is any number of lines. */
const pattern = (answer: string) =>
  new RegExp(
    `^${
      answer.split(/^…\n/m).map((part) =>
        part.split("…").map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/ +/g, " +")).join(".*")
      ).join("(?:.*\n)*")
    }$`,
  );

miniTest("every command of the tour answers what the tour says", async ({ root, state }) => {
  const text = Deno.readTextFileSync(`${ROOT}/docs/tour.md`);
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?/gms)];
  assertEquals(text.match(/^## \d\. /gm)?.length, 9);
  assert(blocks.length >= 9);
  for (const [, command, answer = ""] of blocks) {
    const { status, stdout, stderr } = await runCommand(["sh", "-ec", `sudo() { "$@"; }; ${command}`], {
      cwd: ROOT,
      env: { MINI_ROOT: root, MINI_STATE: state, NO_COLOR: "1" },
    });
    assertEquals([status, stderr], [0, ""], command);
    assert(pattern(answer).test(stdout), `${command}answers\n${stdout}and not\n${answer}`);
  }
}, [needsProgram("hostname"), needsProgram("tar")]);
