import { assertEquals, assertThrows } from "@std/assert";
import { op } from "./program.ts";
import { stepped } from "./step.ts";

const program = [
  op("getpid", [], "who", { name: "first" }),
  op("add", [{ result: "first" }, 0], "again?", { jump: { when: "<", to: "first" } }),
  op("exit_group", [0], "done", { jump: { when: "always", to: "end" } }),
  op("exit_group", [1], "nobody answers", { name: "end" }),
];

Deno.test("a program asks before each operation, also before one that is jumped to", () => {
  const { program: whole, places } = stepped(program, 7, "end");
  assertEquals(whole.map(({ call, name }) => [call, name]), [
    ["write", "step first"],
    ["read", undefined],
    ["getpid", "first"],
    ["write", undefined],
    ["read", undefined],
    ["add", undefined],
    ["write", undefined],
    ["read", undefined],
    ["exit_group", undefined],
    ["exit_group", "end"],
  ]);
  assertEquals(places, [2, 5, 8, 9]);
  assertEquals(places.map((place) => whole[place]!.why), program.map(({ why }) => why));
  assertEquals(whole[5]!.jump!.to, "step first", "with the question");
  assertEquals(whole[8]!.jump!.to, "end", "about which nobody is asked");
  assertEquals(whole[3]!.args, [7, new Uint8Array([1, 0, 0, 0]), 4]);
});

Deno.test("a program without the operation to end with is refused", () => {
  assertThrows(() => stepped(program, 7, "nowhere"), Error, "no operation is named nowhere");
});
