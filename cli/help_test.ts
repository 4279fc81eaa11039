import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Command, CommandRow } from "./command.ts";
import { commandHelp, nounHelp, overviewHelp } from "./help.ts";
import { run } from "./rows/run.ts";

const plain = { width: 80, bold: false };

const images: CommandRow = {
  name: "images",
  aliases: ["image ls", "image list"],
  group: "Images",
  summary: "List images",
  usage: "[OPTIONS]",
  flags: [{ name: "all", short: "a", kind: "boolean", description: "Show all images" }],
  positionals: { min: 0, max: 0 },
};

const load = () => Promise.resolve({ default: () => 0 });
const table = {
  groups: ["Run containers", "Images", "System"],
  nouns: { image: "Manage images" },
  commands: [
    { ...run, load },
    { ...images, load },
    { ...images, name: "image inspect", aliases: [], summary: "Show everything about images", load },
    { ...images, name: "__complete", aliases: [], hidden: true, load },
  ] satisfies Command[],
};

Deno.test("the overview lists commands by group, and what has further commands", () => {
  const text = overviewHelp(table, plain);
  assertStringIncludes(text, "Usage:  mini [OPTIONS] COMMAND\n");
  assertStringIncludes(text, "\nRun containers:\n  run   Create and run a new container from an image\n");
  assertStringIncludes(text, "\nImages:\n  images   List images\n");
  assertStringIncludes(text, "\nMore commands:\n  container\n  image       Manage images\n");
  assertStringIncludes(text, "  -D, --debug ");
  assert(!text.includes("__complete") && !text.includes("image inspect") && !text.includes("System:"));
});

Deno.test("the help of a first word lists what may follow it", () => {
  assertEquals(
    nounHelp("image", table, plain),
    `Usage:  mini image COMMAND

Manage images

Commands:
  ls        List images
  inspect   Show everything about images

See 'mini image COMMAND --help' for more about a command.
`,
  );
});

Deno.test("the help of a command shows usage, other names, flags and examples", () => {
  assertEquals(
    commandHelp(
      { ...images, examples: [{ command: "mini images -a", comment: "All of them" }] },
      "image ls",
      plain,
    ),
    `Usage:  mini image ls [OPTIONS]

List images

Aliases:
  mini images, mini image ls, mini image list

Options:
  -a, --all    Show all images
  -h, --help   Print help

Examples:
  mini images -a   All of them
`,
  );
});

Deno.test("the help of run shows values, defaults and its own -h", () => {
  const text = commandHelp(run, "run", plain);
  assertStringIncludes(text, "Usage:  mini run [OPTIONS] IMAGE [COMMAND] [ARG...]\n");
  assertStringIncludes(text, "  -e, --env list ");
  assertStringIncludes(text, "  -h, --hostname string ");
  assertStringIncludes(text, "      --help ");
  assertStringIncludes(text, "      --shm-size bytes ");
  assertStringIncludes(text, '(default "missing")');
});

Deno.test("no line is wider than the terminal, and a meaning is wrapped under itself", () => {
  for (const width of [40, 60, 80, 120]) {
    for (const line of commandHelp(run, "run", { width, bold: false }).split("\n")) {
      // What a person copies, the usage and the commands of examples, is never wrapped.
      if (line.includes("mini run")) continue;
      assert(line.length <= width, `${width}: ${line}`);
    }
  }
  const flags = [{ name: "x", kind: "boolean", description: "one two three four five six seven eight" }] as const;
  assertStringIncludes(
    commandHelp({ ...images, flags }, "images", { width: 40, bold: false }),
    "      --x      one two three four five\n               six seven eight\n",
  );
});

Deno.test("headings are bold only when asked for", () => {
  assert(!commandHelp(run, "run", plain).includes("\x1b"));
  assertStringIncludes(commandHelp(run, "run", { width: 80, bold: true }), "\x1b[1mFiles:\x1b[0m\n");
});
