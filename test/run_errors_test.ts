/** Exit statuses of `mini run`, and what it says when the program cannot be started. */
import { assert, assertEquals } from "@std/assert";
import { assertRefused, type Context, miniTest } from "./harness.ts";
import { elsewhere, here, tinyElf } from "./tiny_elf.ts";

miniTest("a container exits with its program's status, and 128 + n for a signal", async ({ mini }) => {
  const status = async (script: string) => (await mini(["run", "--rm", "starter", "sh", "-c", script])).status;
  for (const n of [0, 1, 2, 64, 125, 126, 127, 128, 137, 254, 255]) assertEquals(await status(`exit ${n}`), n);
  // PID 1 has no default action for a signal that it sends to itself; its child has.
  assertEquals(await status("sh -c 'kill -SEGV $$'; exit $?"), 139);
  assertEquals((await mini(["run", "--rm", "starter", "true"])).status, 0);
  assertEquals((await mini(["run", "--rm", "starter", "false"])).status, 1);
  const killed = await mini(["run", "--rm", "--ulimit", "cpu=1:1", "starter", "sh", "-c", "while :; do :; done"]);
  assertEquals([killed.status, killed.stderr], [137, ""]);
});

miniTest("the image that is in mini is for this machine alone", async ({ mini }) => {
  const [ours, other] = Deno.build.arch === "x86_64" ? ["amd64", "arm64"] : ["arm64", "amd64"];
  assertEquals((await mini(["run", "--rm", "--platform", `linux/${ours}`, "starter", "true"])).status, 0);
  const refused = await mini(["run", "--rm", "--platform", `linux/${other}`, "starter", "true"]);
  assertRefused(refused, 125, "starter", "--platform");
});

/** Runs programs of a folder that is mounted on /v; each is a file of this content and these permission bits. */
function programs(
  { mini, folder }: Context,
  files: Record<string, readonly [content: string | Uint8Array<ArrayBuffer>, mode: number]>,
) {
  for (const [name, [content, mode]] of Object.entries(files)) {
    const path = `${folder}/v/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    Deno.chmodSync(path, mode);
  }
  return (...args: string[]) => {
    const split = args.indexOf("--");
    const [flags, command] = split < 0 ? [[], args] : [args.slice(0, split), args.slice(split + 1)];
    return mini(["run", "--rm", "-v", `${folder}/v:/v`, ...flags, "starter", ...command]);
  };
}

miniTest("a program that cannot be started is 126 with the reason, one that is not there 127", async (context) => {
  const run = programs(context, {
    good: [tinyElf(here), 0o755],
    plain: ["#!/bin/sh\necho hi\n", 0o644],
    foreign: [tinyElf(elsewhere), 0o755],
    loaderless: [tinyElf(here, "/lib/ld-nosuch.so.1"), 0o755],
    interpreterless: ["#!/nosuch/python -x\nprint()\n", 0o755],
    windows: ["#!/bin/sh\r\necho hi\r\n", 0o755],
    empty: ["", 0o755],
    text: ["echo hi\n", 0o755],
    noise: [new Uint8Array(300).fill(0xee), 0o755],
    script: ['#!/bin/sh\necho "$0|$1"\n', 0o755],
    short: [new Uint8Array([0x7f, 0x45, 0x4c, 0x46]), 0o755],
    "folder/file": ["", 0o644],
  });
  assertEquals((await run("/v/good")).status, 0);
  assertEquals((await run("/v/script", "a b")).stdout, "/v/script|a b\n");
  assertRefused(await run("/v/plain"), 126, "/v/plain", "execute permission");
  const name = (machine: string) => machine.replace("_", "-");
  assertRefused(await run("/v/foreign"), 126, "/v/foreign", name(elsewhere), name(here));
  assertRefused(await run("/v/loaderless"), 126, "/v/loaderless", "/lib/ld-nosuch.so.1");
  assertRefused(await run("/v/interpreterless"), 126, "/v/interpreterless", "/nosuch/python");
  assertRefused(await run("/v/windows"), 126, "/v/windows", "carriage return");
  assertRefused(await run("/v/empty"), 126, "/v/empty", "empty");
  assertRefused(await run("/v/text"), 126, "/v/text", "#!");
  assertRefused(await run("/v/noise"), 126, "/v/noise");
  assertRefused(await run("/v/short"), 126, "/v/short");
  assertRefused(await run("/v/folder"), 126, "/v/folder", "folder");
  assertRefused(await run("/v"), 126, "/v", "folder");
  assertRefused(await run("/v/nosuch"), 127, "/v/nosuch", "no such file");
  assertRefused(await run("/v/good/below"), 127, "/v/good/below");
  assertRefused(await run("nosuch"), 127, "nosuch", "PATH");
  assertRefused(await run("n".repeat(300)), 126, "n".repeat(300));
  assertRefused(await run("-w", "/v", "--", "./plain"), 126, "./plain", "execute permission");
  assertRefused(await run(""), 125, "no program");
});

miniTest("PATH is searched in order, a program without permission passed over and told last", async (context) => {
  const hello = (what: string) => [`#!/bin/sh\necho ${what}\n`, 0o755] as const;
  const run = programs(context, {
    "a/tool": ["#!/bin/sh\necho a\n", 0o644],
    "b/tool": hello("b"),
    "c/tool": hello("c"),
    "c/only": ["#!/bin/sh\n", 0o644],
    "d/other": hello("d"),
  });
  const path = (...folders: string[]) => ["-e", `PATH=${folders.join(":")}`, "--"];
  assertEquals((await run(...path("/v/nosuch", "/v/a", "/v/b", "/v/c"), "tool")).stdout, "b\n");
  assertEquals((await run(...path("/v/c", "/v/b"), "tool")).stdout, "c\n");
  assertEquals((await run(...path("/v/c///", "/v/b"), "tool")).stdout, "c\n");
  assertRefused(await run(...path("/v/nosuch", "/v/c", "/v/d"), "only"), 126, "/v/c/only", "execute permission");
  assertRefused(await run(...path("/v/nosuch", "/v/d"), "only"), 127, "only", "PATH");
  assertEquals(
    (await run("-w", "/v/d", ...path("/nosuch", ""), "other")).stdout,
    "d\n",
    "an empty folder is the current one",
  );
  assertEquals((await run("-e", "PATH=", "--", "echo", "x")).stdout, "x\n", "an empty PATH is the default");
});

miniTest("a program's argv[0] is what was typed", async ({ mini }) => {
  const { stdout } = await mini(["run", "--rm", "starter", "cat", "/proc/1/cmdline"]);
  assertEquals(stdout, "cat\0/proc/1/cmdline\0");
});

miniTest("very long command lines and environments are passed on, or refused in one sentence", async ({ mini }) => {
  const many = Array.from({ length: 2000 }, (_, i) => `argument-${i}`);
  const counted = await mini(["run", "--rm", "starter", "sh", "-c", "echo $#", "sh", ...many]);
  assertEquals([counted.stderr, counted.stdout], ["", "2000\n"]);
  const long = "x".repeat(120_000);
  const echoed = await mini([
    "run",
    "--rm",
    "-e",
    `LONG=${long}`,
    "starter",
    "sh",
    "-c",
    "echo ${#LONG} ${#1}",
    "sh",
    long,
  ]);
  assertEquals([echoed.stderr, echoed.stdout], ["", "120000 120000\n"]);
  // One word of more than 128 kB is more than execve takes (MAX_ARG_STRLEN); only a file can bring one here.
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, `LONG=${"x".repeat(200_000)}\n`);
    const refused = await mini(["run", "--rm", "--env-file", file, "starter", "true"]);
    assertRefused(refused, 126, "argument list too long");
    assert(refused.stderr.length < 500, "the message repeats all of it");
  } finally {
    await Deno.remove(file);
  }
});
