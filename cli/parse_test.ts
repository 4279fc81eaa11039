import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import type { CommandRow } from "./command.ts";
import { parse } from "./parse.ts";
import { run } from "./rows/run.ts";

function parseRun(...words: string[]) {
  return parse(run, words, "mini run");
}

/** The sentence with which `mini run` refuses a line. */
function refusal(...words: string[]): string {
  return assertThrows(() => parseRun(...words), MiniError).message;
}

const test: Pick<CommandRow, "flags" | "positionals" | "usage"> = {
  usage: "[OPTIONS] A B",
  flags: [
    { name: "pids", kind: "integer", min: -1, max: 100, description: "" },
    { name: "cpus", kind: "number", min: 0, description: "" },
    { name: "memory", short: "m", kind: "bytes", default: "64m", description: "" },
    { name: "since", kind: "duration", description: "" },
  ],
  positionals: { min: 2, max: 2 },
};

Deno.test("the flags before the image belong to run, those after it to the container", () => {
  const { flags, args } = parseRun("-it", "--rm", "-e", "A=1", "--env=B=2", "alpine", "ls", "--rm", "-e", "--help");
  assert(flags.boolean("interactive") && flags.boolean("tty") && flags.boolean("rm"));
  assertEquals(flags.list("env"), ["A=1", "B=2"]);
  assertEquals(args, ["alpine", "ls", "--rm", "-e", "--help"]);
});

Deno.test("of a flag that is given twice the last one counts", () => {
  assertEquals(parseRun("--name", "a", "--name=b", "alpine").flags.string("name"), "b");
  assertEquals(parseRun("--rm", "--rm=false", "alpine").flags.boolean("rm"), false);
});

Deno.test("booleans take every spelling that Go takes, and no other", () => {
  for (const yes of ["1", "t", "T", "true", "True", "TRUE"]) {
    assertEquals(parseRun(`--rm=${yes}`, "alpine").flags.boolean("rm"), true);
  }
  for (const no of ["0", "f", "F", "false", "False", "FALSE"]) {
    assertEquals(parseRun(`--rm=${no}`, "alpine").flags.boolean("rm"), false);
  }
  assertEquals(refusal("--rm=yes", "alpine"), "--rm takes true or false, not 'yes'. See 'mini run --help'");
  assertEquals(refusal("-t=", "alpine"), "-t takes true or false, not ''. See 'mini run --help'");
});

Deno.test("-h is the host name of a container, and help everywhere else", () => {
  assertEquals(parseRun("-h", "box", "alpine").flags.string("hostname"), "box");
  assertEquals(parse(test, ["-h"], "mini test").help, true);
  assertEquals(parseRun("--help", "--bogus").help, true);
  assertEquals(parseRun("alpine", "--help").help, false);
});

Deno.test("an unknown flag is refused with the nearest one", () => {
  assertEquals(
    refusal("--reed-only", "alpine"),
    "unknown flag --reed-only, did you mean --read-only? See 'mini run --help'",
  );
  assertEquals(refusal("--zzzzzz=1", "alpine"), "unknown flag --zzzzzz. See 'mini run --help'");
  assertEquals(refusal("-iz", "alpine"), "unknown flag -z. See 'mini run --help'");
});

Deno.test("a value that is missing or none of the choices is refused", () => {
  assertEquals(refusal("--name"), "--name needs a value. See 'mini run --help'");
  assertEquals(refusal("-ie"), "-e needs a value. See 'mini run --help'");
  assertEquals(
    refusal("--pull=alway", "alpine"),
    "--pull takes always, missing or never, not 'alway', did you mean always? See 'mini run --help'",
  );
});

Deno.test("a missing image is told with the usage, unless --rootfs stands for it", () => {
  assertEquals(refusal("-it"), "run needs an image: mini run [OPTIONS] IMAGE [COMMAND] [ARG...]");
  assertEquals(parseRun("--rootfs", "/srv/root").args, []);
  assertEquals(parseRun("--rootfs=/srv/root", "ls", "-l").args, ["ls", "-l"]);
});

Deno.test("too few and too many arguments are counted", () => {
  const refuse = (...words: string[]) => assertThrows(() => parse(test, words, "mini test"), MiniError).message;
  assertEquals(refuse("a"), "test needs at least 2 arguments: mini test [OPTIONS] A B");
  assertEquals(refuse("a", "b", "c"), "test takes 2 arguments, not 3: mini test [OPTIONS] A B");
  const none = { ...test, usage: "", positionals: { min: 0, max: 0 } };
  assertEquals(
    assertThrows(() => parse(none, ["x"], "mini test"), MiniError).message,
    "test takes no arguments, not 'x': mini test",
  );
});

Deno.test("numbers, sizes and durations are read and kept in range", () => {
  const values = (...words: string[]) => parse(test, [...words, "a", "b"], "mini test").flags;
  assertEquals(values("--pids=-1").number("pids"), -1);
  assertEquals(values("--cpus", "1.5").number("cpus"), 1.5);
  assertEquals(values("-m1g").number("memory"), 1024 ** 3);
  assertEquals(values("--since", "1m").number("since"), 60_000);
  for (const words of [["--pids=101"], ["--pids", "-2"], ["--cpus=-1"]]) {
    assertThrows(() => values(...words), MiniError, "takes a");
  }
  for (const words of [["--pids=1.5"], ["--pids="], ["--pids=1e3"], ["--pids=99999999999999999999"]]) {
    assertThrows(() => values(...words), MiniError, "takes a whole number");
  }
  assertThrows(() => values("--cpus=NaN"), MiniError, "--cpus takes a number, not 'NaN'. See 'mini test --help'");
  assertThrows(() => values("-m", "lots"), MiniError, "-m: 'lots' is not a size such as 64m or 1g. See 'mini");
  assertThrows(() => values("--since=5"), MiniError, "--since: '5' is not a duration");
});

Deno.test("a default counts where nothing is given, and does not count as given", () => {
  const { flags } = parse(test, ["a", "b"], "mini test");
  assertEquals(flags.number("memory"), 64 * 1024 ** 2);
  assertEquals(flags.given("memory"), false);
  assertEquals(parseRun("alpine").flags.string("pull"), "missing");
});

Deno.test("asking for a flag by a wrong name or type is a defect", () => {
  const { flags } = parseRun("alpine");
  assertThrows(() => flags.boolean("nonesuch"), TypeError);
  assertThrows(() => flags.string("rm"), TypeError);
});
