import { assertEquals } from "@std/assert";
import type { Flag } from "./command.ts";
import { scan } from "./scan.ts";

const flags: Flag[] = [
  { name: "interactive", short: "i", kind: "boolean", description: "" },
  { name: "tty", short: "t", kind: "boolean", description: "" },
  { name: "env", short: "e", kind: "list", description: "" },
  { name: "name", kind: "string", description: "" },
];

/** The pieces as text: `--env=A`, `?--x` for an unknown flag, `!--name` for a value that is missing. */
function pieces(line: string[], stopAtFirst = false): string[] {
  return [...scan(line, flags, stopAtFirst)].map((token) => {
    if (token.type === "argument") return token.text;
    if (token.type === "end") return "END";
    if (token.type === "unknown") return `?${token.typed}`;
    if (token.value !== undefined) return `--${token.flag.name}=${token.value}`;
    return token.flag.kind === "boolean" ? `--${token.flag.name}` : `!${token.typed}`;
  });
}

Deno.test("scan reads every way to write a value", () => {
  const lines = [["--env", "A=b"], ["--env=A=b"], ["-e", "A=b"], ["-eA=b"], ["-e=A=b"]];
  for (const line of lines) assertEquals(pieces(line), ["--env=A=b"]);
  assertEquals(pieces(["--name="]), ["--name="]);
  assertEquals(pieces(["--name", ""]), ["--name="]);
});

Deno.test("scan takes the next word as a value even when it looks like a flag", () => {
  assertEquals(pieces(["--name", "--tty", "-e", "--"]), ["--name=--tty", "--env=--"]);
});

Deno.test("scan splits letters and gives the rest to the first that takes a value", () => {
  assertEquals(pieces(["-it"]), ["--interactive", "--tty"]);
  assertEquals(pieces(["-iteA=b"]), ["--interactive", "--tty", "--env=A=b"]);
  assertEquals(pieces(["-ie", "A=b"]), ["--interactive", "--env=A=b"]);
  assertEquals(pieces(["-it=false"]), ["--interactive", "--tty=false"]);
});

Deno.test("scan takes a lone dash for an argument and ends flags at two", () => {
  assertEquals(pieces(["-", "-t"]), ["-", "--tty"]);
  assertEquals(pieces(["-t", "--", "-i", "--"]), ["--tty", "END", "-i", "--"]);
});

Deno.test("scan leaves everything after the first argument alone when told so", () => {
  assertEquals(pieces(["-i", "alpine", "-t", "--", "--env"], true), ["--interactive", "alpine", "-t", "--", "--env"]);
  assertEquals(pieces(["--", "alpine", "--"], true), ["END", "alpine", "--"]);
});

Deno.test("scan tells unknown flags and missing values", () => {
  assertEquals(pieces(["--nmae=x", "-z", "-tzi"]), ["?--nmae", "?-z", "--tty", "?-z"]);
  assertEquals(pieces(["--=x", "---tty"]), ["?--", "?---tty"]);
  assertEquals(pieces(["--name"]), ["!--name"]);
  assertEquals(pieces(["-te"]), ["--tty", "!-e"]);
});
