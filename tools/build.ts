/**
 * `deno task build`: makes `./mini`, one executable file. See CONTRIBUTING.md.
 *
 *     deno run -A tools/build.ts [--with=compile|deno]
 *
 * tools/single_file builds it on the running `deno` executable; where that is of a kind that it does not know, `deno compile`
 * does, which downloads a base of its own. `--with` asks for one of the two. The first is what the tests try, starts faster,
 * and is the same on every machine.
 */
import { resolve } from "@std/path";
import { bundledName, flatten, HOT_COMMANDS, HOT_MODULES } from "./hot_commands.ts";
import { makeCodeCaches } from "./single_file/code_cache.ts";
import { openCompiler } from "./single_file/compiler.ts";
import { type HotScript, hotScripts } from "./single_file/hot.ts";
import { drawAddress, prelink } from "./single_file/prelink.ts";
import { packProgram, type Program } from "./single_file/program.ts";
import { singleFile, snippetsAddress, V8_FLAGS } from "./single_file/single_file.ts";
import { makeStarter } from "./starter/starter.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const BUILD = `${ROOT}/build`;
/** Where `deno compile` downloads its base from; asked first, because it waits long for a server that it cannot reach. */
const DOWNLOADS = "https://dl.deno.land/release-latest.txt";
const DOWNLOAD_TIMEOUT_MS = 4000;

const say = (text: string) => console.error(`build: ${text}`);

/** Runs a program and returns what it prints; throws with what it says if it fails. */
function run(command: string, args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args, cwd: ROOT, stdin: "null" }).outputSync();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (!success) throw new Error(`${command} ${args[0]} failed:\n${decode(stderr)}`);
  return decode(stdout);
}

const deno = (...args: string[]) => run(Deno.execPath(), args);

/** The commit that is built, with a mark if files differ from it; undefined without git or outside a repository. */
function commit(): string | undefined {
  try {
    return run("git", ["describe", "--always", "--dirty", "--exclude=*"]);
  } catch {
    return undefined; // only the version line says it
  }
}

// Minified, since reading the text is a part of each start. Keeping the names of functions would cost 1 ms of it: what a stack
// trace of ./mini stands for is found by tools/where.ts.
const BUNDLE = ["bundle", "--quiet", "--minify"];

/** Bundles main.ts and all that it imports into one module, build/mini.js. */
function bundle(build: string | undefined): void {
  const path = `${BUILD}/mini.js`;
  deno(...BUNDLE, "--output", path, "main.ts");
  if (build === undefined) return;
  Deno.writeTextFileSync(path, `const MINI_BUILD=${JSON.stringify(build)};\n${Deno.readTextFileSync(path)}`);
}

/**
 * The same as a module for each part that is needed at another time, and a source map (`NAME.map`) of each.
 *
 * The modules that hot commands import are entries too, because the bundler gives others names that nobody can know.
 */
export function bundleParts(): Record<string, string> {
  Deno.mkdirSync(BUILD, { recursive: true });
  const folder = Deno.makeTempDirSync({ dir: BUILD });
  try {
    // The maps are a part of what the modules' names are made from.
    deno(...BUNDLE, "--code-splitting", "--sourcemap=external", "--outdir", folder, "main.ts", ...HOT_MODULES);
    const read = (path: string): [string, string][] =>
      [...Deno.readDirSync(`${folder}/${path}`)].flatMap(({ name, isDirectory }) =>
        isDirectory ? read(`${path}${name}/`) : [[path + name, Deno.readTextFileSync(`${folder}/${path}${name}`)]]
      );
    return flatten(Object.fromEntries(read("").sort(([a], [b]) => a < b ? -1 : 1)));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const MAIN = "main.js", HOT = Object.values(HOT_COMMANDS).map((paths) => paths.map(bundledName));

/** The modules among the parts. */
const modulesOf = (parts: Record<string, string>) =>
  Object.fromEntries(Object.entries(parts).filter(([name]) => name.endsWith(".js")));

/** The scripts of ./mini that have several of the parts in them. */
export function hotOf(parts: Record<string, string>): HotScript[] {
  return hotScripts(modulesOf(parts), MAIN, HOT);
}

/** The parts, packed for an executable. */
function program(build: string | undefined, codeCaches: boolean, snippets: number | undefined): Program {
  return packProgram(modulesOf(bundleParts()), MAIN, {
    globals: {
      ...build === undefined ? {} : { MINI_BUILD: build },
      ...snippets === undefined ? {} : { MINI_SNIPPETS: String(snippets) },
    },
    hot: HOT,
    ...codeCaches ? { cache: (scripts) => makeCodeCaches(scripts, V8_FLAGS) } : {},
  });
}

/** Throws unless the file runs and says its version. */
function tryOut(path: string): void {
  const said = run(path, ["--version"]);
  if (!said.startsWith("mini version ")) {
    throw new Error(`${path} --version said ${JSON.stringify(said.split("\n")[0])}`);
  }
}

/** Builds with `deno compile`. */
async function withCompile(to: string, files: string[]): Promise<void> {
  try {
    // DENORT_BIN is Deno's way to name a base that is there already.
    if (!Deno.env.has("DENORT_BIN")) {
      await (await fetch(DOWNLOADS, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) })).body?.cancel();
    }
  } catch (error) {
    throw new Error(`Deno's download server cannot be reached (${error instanceof Error ? error.message : error})`);
  }
  // No code cache: a compiled program keeps it under a name that anybody could guess and make first, in /tmp.
  const include = files.map((name) => `--include=build/${name}`);
  deno("compile", "--quiet", "-A", "--no-config", "--no-code-cache", ...include, "--output", to, "build/mini.js");
  tryOut(to);
}

/** Makes one of the changes to the `deno` executable that a start is faster with; says why it is slower without. */
function tryTo(change: () => void, without: string): boolean {
  try {
    change();
    return true;
  } catch (error) {
    say(`${without}, because ${error instanceof Error ? error.message : error}`);
    return false;
  }
}

async function withDeno(to: string, build: string | undefined, files: string[]): Promise<void> {
  const embedded = Object.fromEntries(files.map((name) => [name, Deno.readFileSync(`${BUILD}/${name}`)]));
  const executable = Deno.readFileSync(Deno.execPath());
  const hasCompiler = tryTo(() => openCompiler(executable), "without code caches");
  // Relocations of other machines are not known (prelink.ts).
  if (Deno.build.arch === "x86_64") tryTo(() => prelink(executable, drawAddress()), "without an address of its own");
  const packed = program(build, hasCompiler, snippetsAddress(executable));
  let file: Blob;
  try {
    file = singleFile(executable, packed, embedded);
  } catch (error) {
    throw new Error(`cannot build on ${Deno.execPath()}: ${error instanceof Error ? error.message : error}`);
  }
  await Deno.writeFile(to, file.stream(), { mode: 0o755 });
  tryOut(to);
}

/** The name by which the program is an OCI runtime. */
function linkRuntime(path: string): void {
  try {
    Deno.symlinkSync("mini", path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

async function build(way: string | undefined): Promise<void> {
  Deno.mkdirSync(BUILD, { recursive: true });
  const version = commit();
  bundle(version);
  const files: string[] = [];
  const missing = makeStarter(`${BUILD}/starter.tar.gz`, `${BUILD}/apt`);
  if (missing) say(`there is no image in it: ${missing}`);
  else files.push("starter.tar.gz");

  // Beside the old file and renamed: a mini that runs keeps its own.
  const unfinished = `${ROOT}/mini.${Deno.pid}.tmp`;
  try {
    if (way !== "compile") {
      try {
        await withDeno(unfinished, version, files);
      } catch (error) {
        if (way === "deno") throw error;
        say(`${error instanceof Error ? error.message : error}; trying deno compile instead`);
        way = "compile";
      }
    }
    if (way === "compile") await withCompile(unfinished, files);
    Deno.renameSync(unfinished, `${ROOT}/mini`);
    linkRuntime(`${ROOT}/mini-runc`);
  } finally {
    await Deno.remove(unfinished).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  const { size } = Deno.statSync(`${ROOT}/mini`);
  say(
    `./mini, ${(size / 1e6).toFixed(1)} MB, built ${
      way === "compile" ? "with deno compile" : "on the deno executable"
    }`,
  );
}

if (import.meta.main) {
  const [option, ...rest] = Deno.args;
  const way = /^--with=(compile|deno)$/.exec(option ?? "")?.[1];
  if (rest.length > 0 || (option !== undefined && way === undefined)) {
    console.error("usage: deno run -A tools/build.ts [--with=compile|deno]");
    Deno.exit(2);
  }
  try {
    await build(way);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
