/**
 * Startup is a budget, and anything of Node spends all of it: 12 to 30 ms. What the daily commands execute loads none of it:
 * `node:` modules come by dynamic import only, inside functions that need them, and Deno says at run time that it loaded
 * nothing of them.
 */
import { assert, assertEquals } from "@std/assert";
import { resolve } from "@std/path";
import { HOT_COMMANDS } from "../tools/hot_commands.ts";
import { observe, ownDescendants } from "./leaks.ts";
import { makeBundle, scriptSpec } from "./oci_bundle.ts";

const ROOT = resolve(import.meta.dirname!, "..");
/** The bundle that the build puts into ./mini. */
const BUNDLE = `${ROOT}/build/mini.js`;
const isRoot = Deno.uid() === 0;

/** The modules of Node that a program loads, as Deno tells them when it is asked to. */
async function nodeModulesLoadedBy(...args: string[]): Promise<{ loaded: string[]; code: number }> {
  const { stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", ...args],
    env: { DENO_LOG_LAZY_LOAD: "1" },
    stdin: "null",
    stdout: "null",
  }).output();
  return { loaded: nodeModulesIn(new TextDecoder().decode(stderr)), code };
}

const nodeModulesIn = (log: string) => log.split("\n").filter((line) => /^\[lazy\].*(node:|deno_node)/.test(line));

Deno.test("every module that main.ts can reach imports node: modules dynamically", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", `${ROOT}/main.ts`],
    cwd: ROOT,
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: { specifier: string; dependencies?: { specifier: string; isDynamic?: boolean; code?: unknown }[] }[];
  };
  assert(modules.length > 1, "deno info lists the modules");
  const found = modules.flatMap(({ specifier, dependencies }) =>
    (dependencies ?? []).filter((dependency) =>
      dependency.specifier.startsWith("node:") && dependency.code !== undefined && !dependency.isDynamic
    ).map((dependency) => `${specifier} imports ${dependency.specifier}`)
  );
  assertEquals(found, []);
});

Deno.test("a node: module that is loaded is noticed", async () => {
  for (const program of ['import "node:zlib"', 'await import("node:zlib")', "globalThis.process"]) {
    const { loaded } = await nodeModulesLoadedBy(`data:application/javascript,${encodeURIComponent(program)}`);
    assert(loaded.length > 0, program);
  }
});

for (const args of [["--version"], ["--help"], ["run", "--help"]]) {
  Deno.test(`mini ${args.join(" ")} loads nothing of Node`, async () => {
    assertEquals(await nodeModulesLoadedBy(BUNDLE, ...args), { loaded: [], code: 0 });
  });
}

Deno.test({
  name: `mini run and ps load nothing of Node${isRoot ? "" : " (needs root)"}`,
  ignore: !isRoot,
  fn: async (t) => {
    const state = await Deno.makeTempDir();
    const mini = (...args: string[]) =>
      nodeModulesLoadedBy(BUNDLE, "--root", `${state}/root`, "--state", `${state}/run`, ...args);
    try {
      // The first use unpacks the embedded image, which inflates it with Node's zlib.
      assertEquals((await mini("run", "--rm", "--network", "none", "starter", "true")).code, 0);
      for (const args of [["run", "--rm", "--network", "none", "starter", "true"], ["ps", "--all"]]) {
        await t.step(`mini ${args[0]}`, async () => assertEquals(await mini(...args), { loaded: [], code: 0 }));
      }
    } finally {
      await Deno.remove(state, { recursive: true });
    }
  },
});

Deno.test({
  name: `mini oci create, start, state and delete load nothing of Node${isRoot ? "" : " (needs root)"}`,
  ignore: !isRoot,
  fn: async (t) => {
    const folder = await Deno.makeTempDir();
    observe(); // the container becomes ours when the command that makes it ends
    const bundle = await makeBundle(`${folder}/bundle`, scriptSpec("exec sleep 1000"));
    // To a file: a container that is left keeps the end of a pipe open.
    const oci = async (...args: string[]) => {
      const shell = `exec "$@" > /dev/null 2> ${folder}/err`;
      const line = [Deno.execPath(), "run", "-A", "--no-config", BUNDLE, "oci", "--root", `${folder}/state`, ...args];
      const command = new Deno.Command("sh", {
        args: ["-c", shell, "sh", ...line],
        env: { DENO_LOG_LAZY_LOAD: "1" },
        stdin: "null",
      });
      const { code } = await command.spawn().status;
      return { loaded: nodeModulesIn(await Deno.readTextFile(`${folder}/err`)), code };
    };
    try {
      const commands = [["create", "-b", bundle, "hot"], ["start", "hot"], ["exec", "hot", "true"], ["state", "hot"]];
      for (const args of [...commands, ["delete", "--force", "hot"]]) {
        await t.step(`mini oci ${args[0]}`, async () => assertEquals(await oci(...args), { loaded: [], code: 0 }));
      }
    } finally {
      await oci("delete", "--force", "hot");
      ownDescendants();
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/**
 * Runs ./mini's program as it does itself, and tells each module that it evaluates alone, because no hot script has it
 * (tools/single_file/program.ts).
 */
const WITNESS = `
const [loader, mini] = ["LOADER", "MINI"], evaluate = eval;
// The compiler that takes code caches; without those it does the same.
Object.defineProperty(globalThis, "Storage", { value: (text) => evaluate(text) });
// Its machine code is in its own file, and mapped as from the source here.
Object.defineProperty(globalThis, "MINI_SNIPPETS", { get() {}, set() {} });
globalThis.eval = (text) => {
  console.error("evaluated alone: " + /sourceURL=(.*)/.exec(text)?.[1]);
  return evaluate(text);
};
await evaluate("(async () => {" + decodeURIComponent(loader).replace("/proc/self/exe", mini) + "})()");
`;

Deno.test({
  name: `what the hot commands evaluate is in the hot scripts${isRoot ? "" : " (needs root)"}`,
  ignore: !isRoot,
  fn: async (t) => {
    const folder = await Deno.makeTempDir(), mini = `${ROOT}/mini`;
    observe();
    const image = new TextDecoder("latin1").decode(await Deno.readFile(mini));
    const loader = /data:application\/javascript,([^\0]*)/.exec(image)?.[1];
    assert(loader, "there is no loader in ./mini");
    await Deno.writeTextFile(
      `${folder}/witness.js`,
      WITNESS.replace('"LOADER"', JSON.stringify(loader)).replace('"MINI"', JSON.stringify(mini)),
    );
    const bundle = await makeBundle(`${folder}/bundle`, scriptSpec("exec sleep 60"));
    const run = async (...args: string[]) => {
      // To a file: a container that is left keeps the end of a pipe open.
      const line = [Deno.execPath(), "run", "-A", "--no-config", `${folder}/witness.js`, ...args];
      const { code } = await new Deno.Command("sh", {
        args: ["-c", `exec "$@" > /dev/null 2> ${folder}/err`, "sh", ...line],
        stdin: "null",
      }).output();
      return { code, said: (await Deno.readTextFile(`${folder}/err`)).split("\n").filter(Boolean) };
    };
    const mine = ["--root", `${folder}/root`, "--state", `${folder}/run`];
    const starter = ["--network", "none", "starter"];
    const commands: Record<keyof typeof HOT_COMMANDS, string[]> = {
      "--version": ["--version"],
      "run": [...mine, "run", "--rm", ...starter, "true"],
      "run -d": [...mine, "run", "-d", "--name", "hot", ...starter, "sleep", "60"],
      "exec": [...mine, "exec", "hot", "true"],
      "ps": [...mine, "ps"],
      "oci create": ["oci", "--root", `${folder}/oci`, "create", "-b", bundle, "hot"],
      "oci start": ["oci", "--root", `${folder}/oci`, "start", "hot"],
      "oci state": ["oci", "--root", `${folder}/oci`, "state", "hot"],
      "oci kill": ["oci", "--root", `${folder}/oci`, "kill", "hot", "KILL"],
      "oci delete": ["oci", "--root", `${folder}/oci`, "delete", "--force", "hot"],
    };
    try {
      // The first use unpacks the embedded image.
      assertEquals((await new Deno.Command(mini, { args: commands.run, stdin: "null" }).output()).code, 0);
      for (const [name, args] of Object.entries(commands)) {
        await t.step(`mini ${name}`, async () => assertEquals(await run(...args), { code: 0, said: [] }));
      }
    } finally {
      await run(...mine, "rm", "--force", "hot");
      await run("oci", "--root", `${folder}/oci`, "delete", "--force", "hot");
      ownDescendants();
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** What `mini run --rm --network none IMAGE` imports dynamically; everything else that it loads, it imports statically. */
const RUN_LOADS = ["main.ts", ...HOT_COMMANDS.run];
/** What only some containers or some failures need, or the rest of the commands. */
const NOT_FOR_RUN = [
  "cli/table.ts",
  "cli/find.ts",
  "cli/help_command.ts",
  "cli/oci/main.ts",
  "engine/background.ts",
  "engine/clear.ts",
  "engine/network.ts",
  "engine/names_options.ts",
  "engine/health/config.ts",
  "engine/logs/writer.ts",
  "engine/volumes/store.ts",
  "ffi/file_info.ts",
  "ffi/files.ts",
  "ffi/netlink.ts",
  "ffi/syscall_numbers_32.ts",
  "images/gc.ts",
  "images/ingest.ts",
  "images/pull.ts",
  "runtime/failure.ts",
  "runtime/seccomp.ts",
];
/**
 * All that is loaded is made from its code cache before anything of it runs: half a millisecond for each hundred kilobytes
 * (without a code cache, 3). Whoever comes to this ceiling looks first for what can be imported dynamically.
 */
const MOST_SOURCE_BYTES = 660_000;

Deno.test("mini run loads what every container needs, and no more", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", `${ROOT}/main.ts`],
    cwd: ROOT,
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: {
      specifier: string;
      size?: number;
      dependencies?: { isDynamic?: boolean; code?: { specifier: string } }[];
    }[];
  };
  const known = new Map(modules.map((module) => [module.specifier.replace(`file://${ROOT}/`, ""), module]));
  const loaded = new Set<string>();
  const load = (name: string) => {
    if (loaded.has(name)) return;
    loaded.add(name);
    for (const { isDynamic, code } of known.get(name)?.dependencies ?? []) {
      if (!isDynamic && code) load(code.specifier.replace(`file://${ROOT}/`, ""));
    }
  };
  RUN_LOADS.forEach(load);
  for (const name of NOT_FOR_RUN) assert(known.has(name), `there is no ${name}`);
  assertEquals(NOT_FOR_RUN.filter((name) => loaded.has(name)), []);
  const bytes = [...loaded].reduce((sum, name) => sum + (known.get(name)?.size ?? 0), 0);
  assert(
    bytes <= MOST_SOURCE_BYTES,
    `${bytes} bytes of ${loaded.size} modules: import what is rarely needed dynamically`,
  );
});
