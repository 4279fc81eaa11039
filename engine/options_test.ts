import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { CAPABILITIES, DEFAULT_CAPABILITIES } from "../runtime/capabilities.ts";
import { mergeEnv, readCapabilities, readEntrypoint, readEnv, readPairs, readUlimit } from "./options.ts";

const own = (name: string) => ({ HOME: "/root" })[name];
const refuses = (read: () => unknown, ...says: string[]) => {
  for (const word of says) assertThrows(read, MiniError, word);
};

Deno.test("variables: a value, the caller's value, or a name that takes it away", () => {
  assertEquals(["A=b=c", "A=", "HOME", "MISSING"].flatMap((text) => readEnv(text, own)), [
    "A=b=c",
    "A=",
    "HOME=/root",
    "MISSING",
  ]);
  for (const text of ["", "=x", "A B=x", "A\tB"]) refuses(() => readEnv(text, own), "NAME=value");
  assertEquals(mergeEnv(["A=1", "B=1", "C=1"], ["A=2"], ["B", "D"]), ["A=2", "C=1"]);
});

Deno.test("capabilities: the defaults, less and more, and never more than mini has", () => {
  const read = (add: string[], drop: string[], all: readonly string[] = CAPABILITIES) =>
    readCapabilities(add, drop, all);
  assertEquals(new Set(read([], [])), new Set(DEFAULT_CAPABILITIES));
  assertEquals(read([], ["ALL"]), []);
  assertEquals(read(["sys_time"], ["all"]), ["CAP_SYS_TIME"]);
  assertEquals(read(["ALL"], ["CAP_CHOWN"]).length, CAPABILITIES.length - 1);
  assertEquals(read(["ALL"], [], ["CAP_CHOWN", "CAP_KILL"]), ["CAP_CHOWN", "CAP_KILL"]);
  assertEquals(read([], [], ["CAP_KILL"]), ["CAP_KILL"]);
  refuses(() => read(["KILL"], [], ["CAP_CHOWN"]), "CAP_KILL", "does not have");
  refuses(() => read(["nosuch"], []), "--cap-add nosuch");
  refuses(() => read([], ["21"]), "--cap-drop 21");
});

Deno.test("limits: one value or two, without limit as -1", () => {
  assertEquals(readUlimit("nofile=10"), { type: "RLIMIT_NOFILE", soft: 10, hard: 10 });
  assertEquals(readUlimit("cpu=1:unlimited"), { type: "RLIMIT_CPU", soft: 1, hard: -1 });
  for (const text of ["nofile", "nofile=", "=1", "nofile=x", "nofile=-2", "nofile=1:2:3", "NOFILE=1"]) {
    refuses(() => readUlimit(text), "NAME=SOFT");
  }
  refuses(() => readUlimit("nosuch=1"), "no limit nosuch");
  for (const text of ["nofile=2:1", "nofile=-1:1"]) refuses(() => readUlimit(text), "above");
});

Deno.test("pairs and the entrypoint", () => {
  assertEquals(readPairs("label", ["a=b=c", "d", "a=2"], false), { a: "2", d: "" });
  assertEquals(Object.entries(readPairs("label", ["__proto__=x"], false)), [["__proto__", "x"]]);
  refuses(() => readPairs("label", ["=x"], false), "--label");
  refuses(() => readPairs("sysctl", ["a.b"], true), "--sysctl");
  assertEquals([undefined, "", "a b"].map(readEntrypoint), [undefined, [], ["a b"]]);
});
