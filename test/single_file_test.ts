/** Files made by tools/single_file, tried out: what the program in one sees of its arguments, name, environment and files. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { resolve } from "@std/path";
import { type Line, link } from "../ffi/machine_code.ts";
import { Elf } from "../tools/single_file/elf.ts";
import { makeCodeCaches } from "../tools/single_file/code_cache.ts";
import { openCompiler } from "../tools/single_file/compiler.ts";
import { drawAddress, prelink } from "../tools/single_file/prelink.ts";
import { packProgram } from "../tools/single_file/program.ts";
import { singleFile, snippetsAddress, V8_FLAGS } from "../tools/single_file/single_file.ts";
import { startAarch64 } from "../tools/single_file/start_aarch64.ts";
import type { StartCode } from "../tools/single_file/start_code.ts";
import { startX86_64 } from "../tools/single_file/start_x86_64.ts";

/** Only there has the file an address (tools/single_file/prelink.ts). */
const isX86 = Deno.build.arch === "x86_64";
const SELF = resolve(import.meta.dirname!, "../ffi/self.ts");

const KERNEL = resolve(import.meta.dirname!, "../ffi/kernel.ts");

/** Prints all that a program can know about how it was started. */
const PROBE = `
import { calledAs, embedded, isBuilt, mainModule, selfCommand, selfPath, userEnvironment } from ${JSON.stringify(SELF)};
import { trySyscall } from ${JSON.stringify(KERNEL)};
const text = (bytes) => bytes && new TextDecoder().decode(bytes);
if (typeof WorkerGlobalScope !== "undefined") {
  postMessage(self.name + " " + text(embedded("a.txt")));
} else if (Deno.args[0] === "worker") {
  const worker = new Worker(mainModule(), { type: "module", name: "helper" });
  worker.onmessage = ({ data }) => { console.log(JSON.stringify(data)); Deno.exit(); };
} else if (Deno.args[0] === "fail") {
  throw new Error("on purpose");
} else {
  await Promise.resolve();
  console.log(JSON.stringify({
    args: Deno.args, calledAs: calledAs(), isBuilt: isBuilt(), selfPath: selfPath(), selfCommand: selfCommand(),
    files: ["a.txt", "empty", "none", "toString"].map((name) => text(embedded(name)) ?? null),
    user: userEnvironment(), deno: Deno.env.toObject(), cmdline: Deno.readTextFileSync("/proc/self/cmdline"),
    zlib: typeof (await import("node:zlib")).gunzip, umlaut: "ü€",
    callsKernel: trySyscall("getpid") === Deno.pid,
    mapsCode: Deno.readTextFileSync("/proc/self/maps").includes("memfd:mini code"),
  }));
}
`;

interface Probe {
  args: string[];
  calledAs: string;
  isBuilt: boolean;
  selfPath: string;
  selfCommand: string[];
  files: (string | null)[];
  user: Record<string, string>;
  deno: Record<string, string>;
  cmdline: string;
  zlib: string;
  umlaut: string;
  callsKernel: boolean;
  mapsCode: boolean;
}

const folder = await Deno.makeTempDir();
const file = `${folder}/probe`;
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

async function build(): Promise<void> {
  await Deno.writeTextFile(`${folder}/probe.ts`, PROBE);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--minify", "--output", `${folder}/probe.js`, `${folder}/probe.ts`],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const deno = await Deno.readFile(Deno.execPath());
  openCompiler(deno);
  if (isX86) prelink(deno, drawAddress());
  const program = packProgram({ "main.js": await Deno.readTextFile(`${folder}/probe.js`) }, "main.js", {
    globals: isX86 ? { MINI_SNIPPETS: String(snippetsAddress(deno)) } : {},
    hot: [[]],
    cache: (scripts) => makeCodeCaches(scripts, V8_FLAGS),
  });
  const files = { "a.txt": new TextEncoder().encode("hello"), empty: new Uint8Array() };
  const built = singleFile(deno, program, files);
  await Deno.writeFile(file, built.stream(), { mode: 0o755 });
}
await build();

async function run(command: string, options: Deno.CommandOptions = {}) {
  const { code, stdout, stderr } = await new Deno.Command(command, { stdin: "null", ...options }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}
async function probe(command: string, options: Deno.CommandOptions = {}): Promise<Probe> {
  const { code, stdout, stderr } = await run(command, options);
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

Deno.test("the program gets exactly the user's arguments", async () => {
  for (
    const args of [[], [""], ["--", "-A", "--help", "--version"], ["-", "ü", " ", "a\nb", "@x", "--v8-flags=--help"]]
  ) {
    assertEquals((await probe(file, { args })).args, args);
  }
});

Deno.test("on a terminal nothing is said but what the program says", async () => {
  const { stdout } = await new Deno.Command("script", {
    args: ["--quiet", "--return", "--command", `${file} one`, "/dev/null"],
    stdin: "null",
  }).output();
  // At the end of its own input, script(1) types Ctrl-D, which the terminal may echo in front.
  const lines = new TextDecoder().decode(stdout).trim().split("\r\n");
  assertEquals([lines.length, JSON.parse(lines[0]!.slice(lines[0]!.indexOf("{"))).args], [1, ["one"]]);
});

Deno.test("arguments may be long and many", async () => {
  const args = ["x".repeat(100_000), ...Array.from({ length: 20_000 }, (_, i) => `argument ${i}`)];
  assertEquals((await probe(file, { args })).args, args);
});

Deno.test("the program knows its file and the name that it was called by", async () => {
  await Deno.symlink(file, `${folder}/mini-runc`);
  const direct = await probe(file);
  assertEquals([direct.calledAs, direct.isBuilt, direct.selfPath, direct.selfCommand], ["probe", true, file, [file]]);
  const linked = await probe(`${folder}/mini-runc`);
  assertEquals([linked.calledAs, linked.selfPath], ["mini-runc", file]);
  const relative = await probe("sh", { args: ["-c", "./mini-runc"], cwd: folder });
  assertEquals([relative.calledAs, relative.selfPath], ["mini-runc", file]);
  const found = await probe("sh", { args: ["-c", "PATH=$1:$PATH; probe b", "", folder] });
  assertEquals([found.calledAs, found.selfPath, found.args], ["probe", file, ["b"]]);
});

Deno.test("a program whose file was removed or replaced can still start itself", async () => {
  const copy = `${folder}/copy`;
  await Deno.copyFile(file, copy);
  // The shell keeps the file open, removes it, and then becomes the program.
  const { stdout } = await run("sh", { args: ["-c", `exec 3<"$1"; rm "$1"; exec /proc/self/fd/3 x`, "", copy] });
  assert(/^\/proc\/\d+\/exe$/.test((JSON.parse(stdout) as Probe).selfPath), stdout);
});

Deno.test("embedded files are read from the file's end", async () => {
  assertEquals((await probe(file)).files, ["hello", "", null, null]);
});

Deno.test("variables that would change what Deno does do not reach it, and the user's are still known", async () => {
  const dangerous = {
    DENO_DIR: "/tmp/other",
    DENO_V8_FLAGS: "--no-such-flag",
    DENO_COVERAGE_DIR: "/tmp/coverage",
    DENO_UNKNOWN: "1",
    NODE_OPTIONS: "--require=/tmp/x.js",
    NODE_ENV: "production",
    OTEL_DENO: "true",
  };
  const harmless = {
    DENO_CERT: "/x",
    NODE_EXTRA_CA_CERTS: "/y",
    DENO: "1",
    HTTPS_PROXY: "http://localhost:1",
    EMPTY: "",
  };
  const { deno, user } = await probe(file, { clearEnv: true, env: { ...dangerous, ...harmless } });
  assertEquals(user, { ...dangerous, ...harmless });
  const own = {
    DENO_DIR: "/dev/null",
    DENO_NO_UPDATE_CHECK: "1",
    DENO_LOG: "error,deno::cache::cache_db=off",
    DENO_DISABLE_NODE_SHIM: "1",
  };
  assertEquals(deno, { ...harmless, ...own });
});

Deno.test("the program runs with an empty environment, and what it is called stays visible", async () => {
  const { user, cmdline } = await probe(file, { clearEnv: true, args: ["a", "b"] });
  assertEquals([user, cmdline], [{}, `${file}\0a\0b\0`]);
});

Deno.test("the program writes nothing to the user's folders", async () => {
  const home = await Deno.makeTempDir({ dir: folder });
  await probe(file, { env: { HOME: home, XDG_CACHE_HOME: `${home}/cache` }, cwd: home });
  assertEquals([...Deno.readDirSync(home)], []);
});

Deno.test("settings of Deno in the current folder are not read", async () => {
  const cwd = await Deno.makeTempDir({ dir: folder });
  await Deno.writeTextFile(`${cwd}/deno.json`, "{ broken");
  await Deno.writeTextFile(`${cwd}/package.json`, "{ broken");
  await Deno.writeTextFile(`${cwd}/deno.lock`, "{ broken");
  assertEquals((await probe(file, { cwd })).args, []);
});

Deno.test("modules of Node, await and text beyond ASCII work in the script", async () => {
  const { zlib, umlaut } = await probe(file);
  assertEquals([zlib, umlaut], ["function", "ü€"]);
});

Deno.test("the snippets that call the kernel are in the file where it has an address", async () => {
  const { callsKernel, mapsCode } = await probe(file);
  assertEquals([callsKernel, mapsCode], [true, !isX86]);
});

Deno.test("a worker runs the same program", async () => {
  assertEquals(await run(file, { args: ["worker"] }), { code: 0, stdout: '"helper hello"\n', stderr: "" });
});

Deno.test("an error names the place in the program", async () => {
  const { code, stderr } = await run(file, { args: ["fail"], env: { NO_COLOR: "1" } });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Error: on purpose");
  assertStringIncludes(stderr, "mini:hot0.js");
});

Deno.test("V8 takes the code caches, and does not compile the text", async () => {
  const changed = await Deno.readFile(file), text = new TextDecoder("latin1").decode(changed);
  const [at] = [...text.matchAll(/on purpose/g)].map(({ index }) => index);
  assert(at !== undefined);
  // In the text alone, which comes first: what is compiled would say it.
  changed.set(new TextEncoder().encode("not so"), at);
  await Deno.writeFile(`${folder}/changed`, changed, { mode: 0o755 });
  assertStringIncludes((await run(`${folder}/changed`, { args: ["fail"] })).stderr, "Error: on purpose");
});

Deno.test("the file is an executable as the kernel and the dynamic linker want it", () => {
  const elf = new Elf(Deno.readFileSync(file));
  const view = new DataView(elf.bytes.buffer);
  const PT_LOAD = 1, PF_W = 2, PF_X = 1;
  let end = 0;
  for (let i = 0; i < view.getUint16(56, true); i++) {
    const at = Number(view.getBigUint64(32, true)) + i * 56;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const [offset, address] = [view.getBigUint64(at + 8, true), view.getBigUint64(at + 16, true)];
    assert(Number(address) >= end, "loaded segments stand in the order of their addresses");
    assertEquals(offset % 0x1000n, address % 0x1000n, "a segment's offset and address agree in their page");
    assert((view.getUint32(at + 4, true) & (PF_W | PF_X)) !== (PF_W | PF_X), "nothing is both writable and executable");
    end = Number(address + view.getBigUint64(at + 40, true));
  }
  assert(elf.entry < end);
});

/** What binutils prints for the code, without addresses in front. */
async function disassemble(objdump: string, flags: string[], code: StartCode): Promise<string[] | undefined> {
  const path = `${folder}/code`;
  await Deno.writeFile(path, link(code.lines, code.setDistance));
  try {
    const args = ["-D", "-b", "binary", "--no-show-raw-insn", ...flags, path];
    const { success, stdout } = await new Deno.Command(objdump, { args, stderr: "null" }).output();
    if (!success) return undefined;
    return [...new TextDecoder().decode(stdout).matchAll(/^\s*[0-9a-f]+:\s+(.*)$/gm)].map(([, text]) =>
      text!.replace(/\s*(\/\/|#) .*/, "").replace(/\s+/g, " ").trim()
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The same from the text of the lines. */
function expected(lines: readonly Line[]): string[] {
  const at = new Map<string, number>();
  let size = 0;
  for (const line of lines) {
    if (line.name !== undefined) at.set(line.name, size);
    size += line.bytes.length;
  }
  let address = 0;
  return lines.filter((line) => line.bytes.length > 0).map((line) => {
    address += line.bytes.length;
    if (line.to === undefined) return line.text;
    const target = at.get(line.to)!;
    if (line.text === "lea r12,[rip]") return `lea r12,[rip+0x${(target - address).toString(16)}]`;
    return `${line.text} 0x${target.toString(16)}`;
  });
}

const machines = [
  {
    name: "x86_64",
    code: startX86_64,
    tools: ["objdump", "x86_64-linux-gnu-objdump"],
    flags: ["-m", "i386:x86-64", "-M", "intel"],
  },
  { name: "aarch64", code: startAarch64, tools: ["aarch64-linux-gnu-objdump", "objdump"], flags: ["-m", "aarch64"] },
];
for (const { name, code, tools, flags } of machines) {
  const [first, second] = tools;
  const found = await disassemble(first!, flags, code) ?? await disassemble(second!, flags, code);
  Deno.test({
    name: `${name}: binutils reads the start code as its text says${found ? "" : " (needs an objdump for it)"}`,
    ignore: found === undefined,
    fn: () => assertEquals(found, expected(code.lines)),
  });
}
