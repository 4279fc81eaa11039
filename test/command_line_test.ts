/** The frame of the command line as a shell sees it: output, exit statuses, closed and broken descriptors. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isInstalled, miniCommand } from "./mini_command.ts";
import { bundleParts, hotOf } from "../tools/build.ts";
import { translate } from "../tools/where.ts";

/** Runs a line of bash with `mini` in PATH. */
async function bash(line: string): Promise<{ status: number; stdout: string; stderr: string }> {
  using mini = miniCommand();
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", line],
    env: mini.environment,
    clearEnv: true,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { status: code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("mini alone, --help, -h and help print the same and succeed", async () => {
  const { stdout, status } = await bash("mini");
  assertEquals(status, 0);
  assertStringIncludes(stdout, "Usage:  mini [OPTIONS] COMMAND\n");
  for (const line of ["mini --help", "mini -h", "mini help", "mini --debug"]) {
    assertEquals(await bash(line), { status: 0, stdout, stderr: "" });
  }
});

Deno.test("mini COMMAND --help and mini help COMMAND print the same", async () => {
  const { stdout } = await bash("mini help version");
  assertStringIncludes(stdout, "Usage:  mini version [OPTIONS]\n");
  assertEquals(await bash("mini version --help"), { status: 0, stdout, stderr: "" });
});

Deno.test("output that is no terminal has no colours", async () => {
  assert(!(await bash("mini --help")).stdout.includes("\x1b"));
});

Deno.test({
  name: "on a terminal headings are bold and lines fit, without NO_COLOR",
  ignore: !isInstalled("script"),
  fn: async () => {
    const onTerminal = async (variables: string) => {
      return (await bash(`script -qec 'stty cols 50; ${variables} mini --help' /dev/null`)).stdout;
    };
    const coloured = await onTerminal("");
    assertStringIncludes(coloured, "\x1b[1mOptions:\x1b[0m");
    for (const line of coloured.split("\r\n")) assert(line.includes("mini ") || line.length <= 50, line);
    assert(!(await onTerminal("NO_COLOR=1")).includes("\x1b"));
    assert(!(await onTerminal("TERM=dumb")).includes("\x1b"));
  },
});

Deno.test("the version is one line", async () => {
  for (const line of ["mini --version", "mini -v", "mini --debug --version"]) {
    const { stdout, stderr, status } = await bash(line);
    assert(/^mini version \d+\.\d+\.\d+(, build [\w-]+)?\n$/.test(stdout), stdout);
    assertEquals({ stderr, status }, { stderr: "", status: 0 });
  }
});

Deno.test("a wrong command line is one sentence on standard error and status 1", async () => {
  const sentences: Record<string, string> = {
    "mini versoin": "mini: unknown command 'versoin', did you mean 'version'? See 'mini --help'\n",
    "mini version --formt x": "mini: unknown flag --formt, did you mean --format? See 'mini version --help'\n",
    "mini version x": "mini: version takes no arguments, not 'x': mini version [OPTIONS]\n",
    "mini version --format '{{.Versio}}'":
      "mini: the template asks for .Versio, which does not exist, did you mean .Version?\n",
    "mini completion": "mini: completion needs a shell: mini completion bash|zsh|fish\n",
    "mini $'a\\e[31m\\nb'": "mini: unknown command 'a\\x1b[31m\\nb'. See 'mini --help'\n",
    "mini --root= version": "mini: --root needs a folder, not an empty value. See 'mini --help'\n",
  };
  for (const [line, stderr] of Object.entries(sentences)) {
    assertEquals(await bash(line), { status: 1, stdout: "", stderr });
  }
});

Deno.test("--debug adds where a failure came from", async () => {
  const { stderr } = await bash("mini --debug versoin");
  assertStringIncludes(stderr, "mini: unknown command 'versoin'");
  const parts = bundleParts(), hot = hotOf(parts);
  assertStringIncludes(translate(stderr, parts, hot), "(cli/find.ts:");
  // A module that is packed with others.
  const inRun = await bash("mini --debug run --rm --memory x starter");
  assertStringIncludes(translate(inRun.stderr, parts, hot), "(cli/parse.ts:");
});

Deno.test("a reader that goes away ends it quietly as SIGPIPE would", async () => {
  for (const command of ["mini --help", "mini --version", "mini completion bash"]) {
    const gone = "(trap '' PIPE; while echo; do sleep 0.01; done) 2>/dev/null"; // until nobody reads any more
    const { stdout, stderr } = await bash(`{ ${gone}; ${command}; } | true; echo "\${PIPESTATUS[0]}"`);
    assertEquals({ stdout, stderr }, { stdout: "141\n", stderr: "" }, command);
  }
});

Deno.test("closed descriptors are no crash", async () => {
  for (const closed of ["<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"]) {
    assertEquals((await bash(`mini --help ${closed}`)).stderr, "", closed);
    assertEquals((await bash(`mini --help ${closed}`)).status, 0, closed);
    assertEquals((await bash(`mini versoin ${closed}`)).status, 1, closed);
  }
});

Deno.test("a full disk is told, and where it cannot be told it is still the status", async () => {
  const { status, stderr } = await bash("mini --help >/dev/full");
  assertEquals({ status, stderr }, {
    status: 1,
    stderr: "mini: the output cannot be written: No space left on device\n",
  });
  assertEquals(await bash("mini versoin 2>/dev/full"), { status: 1, stdout: "", stderr: "" });
});

/** What the command line makes of a failure: the status, then standard error. */
async function reported(statement: string): Promise<string> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--quiet",
      `import { main, report } from "${new URL("../cli/main.ts", import.meta.url)}";
       import { MiniError, SyscallError } from "${new URL("../ffi/errors.ts", import.meta.url)}";
       ${statement}`,
    ],
    stdin: "null",
  }).output();
  return `${code} ${new TextDecoder().decode(stderr)}`;
}

Deno.test("expected failures are one sentence with their own status or the command's", async () => {
  assertEquals(
    await reported(`Deno.exit(report(new MiniError("no such image"), 125, false))`),
    "125 mini: no such image\n",
  );
  assertEquals(
    await reported(`Deno.exit(report(new MiniError("not found", 127), 125, false))`),
    "127 mini: not found\n",
  );
  assertEquals(
    await reported(`Deno.exit(report(new SyscallError("mount", 1, "/proc"), 125, false))`),
    "125 mini: mount /proc: operation not permitted (EPERM)\n",
  );
});

Deno.test("anything else is an internal error with its stack", async () => {
  const text = await reported(`Deno.exit(report(new TypeError("x is undefined"), 1, false))`);
  assert(
    /^1 mini: internal error: x is undefined\n( +at .*\n)+This is a defect of mini version .*: please report it.\n$/
      .test(text),
    text,
  );
});

Deno.test("a failure that nobody waits for is told as well", async () => {
  const text = await reported(`
    await main(["--version"]);
    Promise.reject(new Error("stray"));
    await new Promise((done) => setTimeout(done, 5000));
  `);
  assertStringIncludes(text, "1 mini: internal error: stray\n");
});
