/**
 * `deno task build`: makes `./mini`, one executable file. See CONTRIBUTING.md.
 *
 *     deno run -A tools/build.ts [--with=compile|deno]
 *
 * `deno compile` makes it; where its base executable cannot be downloaded, tools/single_file builds it on the running
 * `deno` executable. `--with` asks for one of the two.
 */
import { resolve } from "@std/path";
import { moduleToScript, singleFile } from "./single_file/single_file.ts";
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

/**
 * main.ts and all that it imports as one module, build/mini.js. Minified, since reading it is a part of each start
 * (a quarter less for the same program); the names of functions in stack traces are kept.
 */
function bundle(): string {
  const path = `${BUILD}/mini.js`;
  deno("bundle", "--quiet", "--minify", "--keep-names", "--output", path, "main.ts");
  const build = commit();
  const module = (build ? `const MINI_BUILD=${JSON.stringify(build)};\n` : "") + Deno.readTextFileSync(path);
  Deno.writeTextFileSync(path, module);
  return module;
}

/** Fails if the module needs something at its start that is not in it: such an import costs more than all the rest. */
function script(module: string): string {
  const script = moduleToScript(module);
  try {
    new Function(script);
  } catch (error) {
    const imports = [...module.matchAll(/\bimport\b[^"'()]*["']([^"']+)["']/g)].map((match) => match[1]);
    throw new Error(
      `the bundle cannot run as a script: ${error instanceof Error ? error.message : error}` +
        (imports.length > 0 ? `; it imports ${imports.join(", ")} statically` : ""),
    );
  }
  return script;
}

/** Throws unless the file runs and says its version. */
function tryOut(path: string): void {
  const said = run(path, ["--version"]);
  if (!said.startsWith("mini version ")) throw new Error(`${path} --version said ${JSON.stringify(said)}`);
}

/** Builds with `deno compile`. Returns undefined, or the reason why that cannot be. */
async function withCompile(to: string, files: string[]): Promise<string | undefined> {
  try {
    await (await fetch(DOWNLOADS, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) })).body?.cancel();
  } catch (error) {
    return `Deno's download server cannot be reached (${error instanceof Error ? error.message : error})`;
  }
  try {
    // No code cache: a compiled program keeps it under a name that anybody could guess and make first, in /tmp.
    const include = files.map((name) => `--include=build/${name}`);
    deno("compile", "--quiet", "-A", "--no-config", "--no-code-cache", ...include, "--output", to, "build/mini.js");
    tryOut(to);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function withDeno(to: string, module: string, files: string[]): Promise<void> {
  const embedded = Object.fromEntries(files.map((name) => [name, Deno.readFileSync(`${BUILD}/${name}`)]));
  const file = singleFile(Deno.readFileSync(Deno.execPath()), script(module), embedded);
  await Deno.writeFile(to, file.stream(), { mode: 0o755 });
  tryOut(to);
}

async function build(way: string | undefined): Promise<void> {
  Deno.mkdirSync(BUILD, { recursive: true });
  const module = bundle();
  script(module);
  const files: string[] = [];
  const missing = makeStarter(`${BUILD}/starter.tar.gz`, `${BUILD}/apt`);
  if (missing) say(`there is no image in it: ${missing}`);
  else files.push("starter.tar.gz");

  // Beside the old file and renamed: a mini that runs keeps its own.
  const unfinished = `${ROOT}/mini.${Deno.pid}.tmp`;
  try {
    if (way !== "deno") {
      const reason = await withCompile(unfinished, files);
      if (reason && way === "compile") throw new Error(reason);
      if (reason) say(`${reason}; building on the deno executable instead`);
      way = reason ? "deno" : "compile";
    }
    if (way === "deno") await withDeno(unfinished, module, files);
    Deno.renameSync(unfinished, `${ROOT}/mini`);
  } finally {
    await Deno.remove(unfinished).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  const { size } = Deno.statSync(`${ROOT}/mini`);
  say(
    `./mini, ${(size / 1e6).toFixed(1)} MB, built ${way === "deno" ? "on the deno executable" : "with deno compile"}`,
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
