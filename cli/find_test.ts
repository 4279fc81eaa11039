import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import type { Command } from "./command.ts";
import { commandsUnder, findCommand, nounsOf } from "./find.ts";

function command(name: string, more: Partial<Command> = {}): Command {
  return {
    name,
    group: "Look",
    summary: `About ${name}`,
    usage: "",
    flags: [],
    positionals: { min: 0 },
    load: () => Promise.resolve({ default: () => 0 }),
    ...more,
  };
}

const commands = [
  command("run"),
  command("images", { aliases: ["image ls", "image list"] }),
  command("image inspect"),
  command("__complete", { hidden: true }),
];

function find(...words: string[]) {
  const found = findCommand(words, commands);
  return found.type === "noun" ? [found.noun, ...found.rest] : [found.command.name, found.name, ...found.rest];
}

Deno.test("a command is found by each of its names", () => {
  assertEquals(find("run", "alpine"), ["run", "run", "alpine"]);
  assertEquals(find("images", "-a"), ["images", "images", "-a"]);
  assertEquals(find("image", "ls", "-a"), ["images", "image ls", "-a"]);
  assertEquals(find("image", "inspect", "x"), ["image inspect", "image inspect", "x"]);
  assertEquals(find("__complete"), ["__complete", "__complete"]);
});

Deno.test("the first word of two alone is told apart from a command", () => {
  assertEquals(find("image"), ["image"]);
  assertEquals(find("image", "--help"), ["image", "--help"]);
});

Deno.test("an unknown command is refused with the nearest one", () => {
  const refusal = (...words: string[]) => assertThrows(() => find(...words), MiniError).message;
  assertEquals(refusal("rnu"), "unknown command 'rnu', did you mean 'run'? See 'mini --help'");
  assertEquals(refusal("imgae", "ls"), "unknown command 'imgae', did you mean 'image'? See 'mini --help'");
  assertEquals(
    refusal("image", "lss"),
    "unknown command 'image lss', did you mean 'image ls'? See 'mini image --help'",
  );
  assertEquals(refusal("zzzzzz"), "unknown command 'zzzzzz'. See 'mini --help'");
  assertEquals(refusal("constructor"), "unknown command 'constructor'. See 'mini --help'");
  assertEquals(refusal(""), "unknown command ''. See 'mini --help'");
});

Deno.test("the commands under a first word are those with it in any of their names", () => {
  assertEquals(nounsOf(commands), ["image"]);
  assertEquals(commandsUnder("image", commands).map(({ verb }) => verb), ["ls", "inspect"]);
});
