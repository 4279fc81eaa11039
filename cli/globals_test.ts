import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { splitGlobals } from "./globals.ts";

function split(args: string[], environment: Record<string, string> = {}) {
  return splitGlobals(args, (name) => environment[name]);
}

Deno.test("the flags before the command are read, those after it left alone", () => {
  const { globals, words } = split(["--root", "/a", "--debug", "run", "--root", "/b", "--debug"]);
  assertEquals(globals, { root: "/a", state: "/run/mini", debug: true });
  assertEquals(words, ["run", "--root", "/b", "--debug"]);
});

Deno.test("a flag wins over the environment, and that over the default", () => {
  assertEquals(split([]).globals, { root: "/var/lib/mini", state: "/run/mini", debug: false });
  const environment = { MINI_ROOT: "/er", MINI_STATE: "/es" };
  assertEquals(split([], environment).globals, { root: "/er", state: "/es", debug: false });
  assertEquals(split(["--state=/s"], environment).globals, { root: "/er", state: "/s", debug: false });
  assertEquals(split([], { MINI_ROOT: "" }).globals.root, "/var/lib/mini");
});

Deno.test("a relative folder becomes an absolute one", () => {
  assertEquals(split(["--root", "here"]).globals.root, `${Deno.cwd()}/here`);
});

Deno.test("help and version are seen", () => {
  assert(split(["--help"]).help && split(["-h"]).help);
  assert(split(["-v"]).version && split(["--debug", "--version"]).version);
  assert(!split(["run", "--help"]).help);
});

Deno.test("an empty folder and an unknown flag are refused", () => {
  assertThrows(() => split(["--root="]), MiniError, "--root needs a folder, not an empty value. See 'mini --help'");
  assertThrows(() => split(["--debgu", "ps"]), MiniError, "unknown flag --debgu, did you mean --debug?");
  assertThrows(() => split(["--state"]), MiniError, "--state needs a value. See 'mini --help'");
});
