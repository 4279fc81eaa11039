/** The import directions between the project's folders, and that nothing comes from a place that is not pinned. */
import { assertEquals } from "@std/assert";
import { resolve } from "@std/path";

const ROOT = resolve(import.meta.dirname!, "..");

/**
 * Which folders the files of a folder may import, besides their own. Imports point down: ffi knows nothing of containers,
 * runtime, images and network do not know each other, engine joins them, and faces hold no logic of their own.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  ffi: [],
  runtime: ["ffi"],
  images: ["ffi"],
  network: ["ffi"],
  engine: ["runtime", "images", "network", "ffi"],
  cli: ["engine", "runtime", "images", "network", "ffi"],
  api: ["engine", "runtime", "images", "network", "ffi"],
  compose: ["engine", "runtime", "images", "network", "ffi"],
  "main.ts": ["cli"],
  library: ["engine", "runtime", "images", "network", "ffi"],
  "mod.ts": ["library", "images", "ffi"],
};

/** Tools, tests, benchmarks and examples may import anything, and nothing else may import them. */
const OUTSIDE = ["tools", "test", "bench", "docs"];

/** What belongs to what is imported: the folder at the top, or the file there. */
const placeOf = (path: string) => path.split("/")[0]!;

/** Every import in each of these modules and in what they import: static, dynamic, or of a type. */
async function importsOf(paths: readonly string[]): Promise<Map<string, string[]>> {
  // `deno info` takes one module: one that imports them all.
  const all = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      all,
      paths.map((path) => `import ${JSON.stringify(`file://${ROOT}/${path}`)};\n`).join(""),
    );
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-lock", all],
      cwd: ROOT,
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
      modules: { specifier: string; dependencies?: { specifier: string }[] }[];
    };
    const prefix = `file://${ROOT}/`;
    return new Map(
      modules.filter((module) => module.specifier.startsWith(prefix)).map((module) => [
        module.specifier.slice(prefix.length),
        (module.dependencies ?? []).map((dependency) => dependency.specifier),
      ]),
    );
  } finally {
    await Deno.remove(all);
  }
}

/** All source files of the project, tests included. */
function sources(folder = ""): string[] {
  return [...Deno.readDirSync(`${ROOT}/${folder}`)].flatMap((entry) => {
    const path = folder + entry.name;
    if (entry.name.startsWith(".") || ["build", "node_modules"].includes(path)) return [];
    if (entry.isDirectory) return sources(`${path}/`);
    return entry.isFile && /\.(ts|js)$/.test(path) && !path.endsWith(".d.ts") ? [path] : [];
  });
}

/** The sentence that says what is wrong with an import, or undefined. */
function problem(importer: string, specifier: string, pinned: readonly string[]): string | undefined {
  const from = placeOf(importer);
  if (/^(\.|\/|file:)/.test(specifier)) {
    const path = resolve("/", importer, "..", specifier).slice(1);
    const to = placeOf(path);
    if (OUTSIDE.includes(from) || to === from || path === "deno.json") return undefined;
    if (importer.endsWith("_test.ts") && to === "tools") return undefined; // what a test uses ships with nothing
    if (MAY_IMPORT[from]?.includes(to)) return undefined;
    return `${importer} imports ${path}: ${from} may import ${MAY_IMPORT[from]?.join(", ") || "no other folder"}`;
  }
  if (specifier.startsWith("node:") || pinned.includes(specifier)) return undefined;
  return `${importer} imports ${specifier}: only names in deno.json's imports and node: modules may be imported`;
}

const files = sources().sort();
const config = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`)) as { imports: Record<string, string> };
const pinned = Object.keys(config.imports);

Deno.test("every folder with source files has its place in the import rules", () => {
  const places = [...new Set(files.map(placeOf))];
  assertEquals(places.filter((place) => !(place in MAY_IMPORT) && !OUTSIDE.includes(place)), []);
});

Deno.test("imports point down the page and never up", async () => {
  const imports = await importsOf(files);
  assertEquals(files.filter((path) => !imports.has(path)), [], "deno info does not know some files");
  const problems = files.flatMap((path) =>
    imports.get(path)!.flatMap((specifier) => problem(path, specifier, pinned) ?? [])
  );
  assertEquals(problems, []);
});

Deno.test("no module exports a variable that changes", async () => {
  // In the one file, an importer keeps the value that it got first (tools/single_file/program.ts).
  const found: string[] = [];
  for (const path of files) {
    const text = await Deno.readTextFile(`${ROOT}/${path}`);
    const exported = [...text.matchAll(/^export \{([^}]*)\}(?! from)/gm)].flatMap((match) => match[1]!.split(/[\s,]+/));
    for (const [, mark, name] of text.matchAll(/^(export )?(?:let|var) (\w+)/gm)) {
      if (mark || exported.includes(name!)) found.push(`${path} exports ${name}`);
    }
  }
  assertEquals(found, []);
});

Deno.test("dependencies come from npm, each with its exact version", () => {
  const loose = Object.values(config.imports).filter((target) =>
    !/^npm:(@[\w-]+\/)?[\w.-]+@\d+\.\d+\.\d+(\/|$)/.test(target)
  );
  assertEquals(loose, []);
});

Deno.test("the lock file names no registry", async () => {
  assertEquals((await Deno.readTextFile(`${ROOT}/deno.lock`)).match(/\w+:\/\/[^"]*/g) ?? [], []);
});

Deno.test("an import against the rules is told", () => {
  const told = (importer: string, specifier: string) => problem(importer, specifier, ["@std/path"]) !== undefined;
  assertEquals(told("ffi/a.ts", "../runtime/b.ts"), true);
  assertEquals(told("runtime/a.ts", "../images/b.ts"), true);
  assertEquals(told("runtime/deep/a.ts", "../../engine/b.ts"), true);
  assertEquals(told("engine/a.ts", "../cli/b.ts"), true);
  assertEquals(told("cli/a.ts", "../tools/b.ts"), true);
  assertEquals(told("main.ts", "./ffi/b.ts"), true);
  assertEquals(told("cli/a.ts", "jsr:@std/path"), true);
  assertEquals(told("cli/a.ts", "https://example.com/a.ts"), true);
  assertEquals(told("cli/a.ts", "npm:left-pad@1.0.0"), true);
  assertEquals(told("cli/a.ts", "../engine/b.ts"), false);
  assertEquals(told("cli/deep/a.ts", "./b.ts"), false);
  assertEquals(told("main.ts", "./cli/b.ts"), false);
  assertEquals(told("cli/a.ts", "@std/path"), false);
  assertEquals(told("images/a.ts", "node:zlib"), false);
});
