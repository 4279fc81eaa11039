import { assert, assertEquals } from "@std/assert";
import type { Command } from "./command.ts";
import { complete, type Providers } from "./complete.ts";
import { help } from "./rows/meta.ts";
import { run } from "./rows/run.ts";

const load = () => Promise.resolve({ default: () => 0 });
const bare = { group: "Look", usage: "", flags: [], load };
const table = {
  nouns: { image: "Manage images" },
  commands: [
    { ...run, load },
    { ...help, load },
    {
      ...bare,
      name: "rm",
      summary: "Remove containers",
      positionals: { min: 1, complete: ["container"], repeat: true },
      flags: [{ name: "force", short: "f", kind: "boolean", description: "Kill first" }],
    },
    {
      ...bare,
      name: "images",
      aliases: ["image ls"],
      summary: "List images",
      positionals: { min: 0, max: 0 },
      flags: [{ name: "filter", kind: "list", keys: ["label", "since"], description: "Only what matches, by" }],
    },
    { ...bare, name: "completion", summary: "", positionals: { min: 1, max: 1, values: ["bash", "zsh"] } },
    { ...bare, name: "__complete", summary: "", positionals: { min: 0 }, hidden: true },
  ] satisfies Command[],
};

const providers: Providers = {
  container: (globals) => Promise.resolve(globals.root === "/other" ? ["elsewhere"] : ["web", "db"]),
  image: () => Promise.resolve(["alpine", "starter"]),
  volume: () => Promise.resolve(["data", "logs"]),
};

async function offered(...words: string[]): Promise<string[]> {
  const { candidates, paths } = await complete(words, table, providers, () => undefined);
  return [...candidates.map(({ value }) => value), ...paths ? [`:${paths}`] : []];
}

Deno.test("the first word is a command or the first of two", async () => {
  assertEquals(await offered(""), ["run", "help", "rm", "images", "completion", "container", "image"]);
  assertEquals(await offered("r"), ["run", "rm"]);
  assertEquals(await offered("image", ""), ["ls"]);
  assertEquals(await offered("nonesuch", ""), []);
  assertEquals(await offered(), ["run", "help", "rm", "images", "completion", "container", "image"]);
});

Deno.test("a dash offers flags, those of mini before the command", async () => {
  assertEquals(await offered("run", "--read"), ["--read-only"]);
  assertEquals(await offered("run", "-i"), ["-i"]);
  assert((await offered("run", "-")).includes("--workdir"));
  assertEquals(await offered("--ro"), ["--root"]);
  assertEquals(await offered("image", "ls", "--h"), ["--help"]);
  assertEquals(await offered("rm", "web", "--"), ["--force", "--help"]);
});

Deno.test("a flag offers its values, in both ways to write them", async () => {
  assertEquals(await offered("run", "--pull", ""), ["always", "missing", "never"]);
  assertEquals(await offered("run", "--pull=n"), ["--pull=never"]);
  assertEquals(await offered("run", "--rm=t"), ["--rm=true"]);
  assertEquals(await offered("run", "--env-file", ""), [":file"]);
  assertEquals(await offered("run", "--env-file=x"), [":file"]);
  assertEquals(await offered("run", "-itv", ""), ["data", "logs"]);
  for (const path of ["/", "./x", "../"]) assertEquals(await offered("run", "-itv", path), [":file"]);
  assertEquals(await offered("--root", ""), [":directory"]);
  assertEquals(await offered("run", "--name", ""), []);
  assertEquals(await offered("run", "--nonesuch=x"), []);
});

Deno.test("arguments are what the command works on", async () => {
  assertEquals(await offered("run", ""), ["alpine", "starter"]);
  assertEquals(await offered("run", "--rm", "--pull", "never", "al"), ["alpine"]);
  assertEquals(await offered("rm", "-f", "web", ""), ["web", "db"]);
  assertEquals(await offered("rm", "--", "d"), ["db"]);
  assertEquals(await offered("completion", ""), ["bash", "zsh"]);
  assertEquals(await offered("completion", "bash", ""), []);
  assertEquals(await offered("help", "ima"), ["images", "image"]);
  assertEquals(await offered("help", "image", ""), ["ls"]);
});

Deno.test("the words after the image are the container's", async () => {
  assertEquals(await offered("run", "alpine", ""), []);
  assertEquals(await offered("run", "alpine", "--re"), []);
  assertEquals(await offered("run", "--rootfs", "/srv", ""), []);
});

Deno.test("names come from the folder that the line says", async () => {
  assertEquals(await offered("--root", "/other", "rm", ""), ["elsewhere"]);
});

Deno.test("what may not be read offers nothing", async () => {
  const refuse = () => Promise.reject(new Deno.errors.PermissionDenied("no"));
  assertEquals(await complete(["rm", ""], table, { container: refuse }, () => undefined), { candidates: [] });
  assertEquals(await complete(["rm", ""], table, {}, () => undefined), { candidates: [] });
});

Deno.test("a filter is offered its keys", async () => {
  assertEquals(await offered("images", "--filter", ""), ["label=", "since="]);
  assertEquals(await offered("images", "--filter=s"), ["--filter=since="]);
  assertEquals(await offered("images", "--filter", "label=x"), []);
});
