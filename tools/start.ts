/** `deno task start`: builds ./mini if it is not there or older than its source, and runs a first container. */
import { resolve } from "@std/path";

const ROOT = resolve(import.meta.dirname!, "..");
const SOURCES = [
  "api",
  "cli",
  "compose",
  "engine",
  "ffi",
  "images",
  "network",
  "runtime",
  "tools",
  "main.ts",
  "deno.json",
];

/** When the newest of the sources at or below `path` was changed; 0 if there is none. */
function newest(path: string): number {
  try {
    const info = Deno.statSync(path);
    if (!info.isDirectory) {
      return /\.(ts|json)$/.test(path) && !path.endsWith("_test.ts") ? info.mtime?.getTime() ?? 0 : 0;
    }
    return Math.max(0, ...[...Deno.readDirSync(path)].map((entry) => newest(`${path}/${entry.name}`)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

function builtAt(): number {
  try {
    return Deno.statSync(`${ROOT}/mini`).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** Runs a program with our standard streams, or with `input` as its standard input; returns its exit status. */
async function run(command: string, args: string[], input?: string): Promise<number> {
  const child = new Deno.Command(command, { args, cwd: ROOT, stdin: input === undefined ? "inherit" : "piped" })
    .spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    // A program that ended early does not read its input; its exit status tells.
    await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch((error) => {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    });
  }
  return (await child.status).code;
}

// What the shell in the container is told: to say who and where it is, as only a container of its own can answer.
const FIRST = `echo "Hello from PID $$ on $(hostname). I am $(id -un), and these are all processes here:"
/bin/ps -o pid,user,args
echo "The only network interface: $(ls /sys/class/net)"
echo "My root: $(grep ' / / ' /proc/self/mountinfo | sed 's/.* - //; s/ .*//'), of $(ls -d /* | wc -l) folders"
`;

if (builtAt() <= Math.max(...SOURCES.map((name) => newest(`${ROOT}/${name}`)))) {
  const code = await run(Deno.execPath(), ["run", "-A", "tools/build.ts"]);
  if (code !== 0) Deno.exit(code);
}
const isRoot = Deno.uid() === 0;
const mini = isRoot ? "./mini" : "sudo ./mini";
const args = ["run", "-i", "--rm", "--network", "none", "--hostname", "starter", "starter", "sh"];
console.error(`\n$ ${mini} ${args.join(" ")}`);
let code: number;
try {
  code = isRoot ? await run(`${ROOT}/mini`, args, FIRST) : await run("sudo", [`${ROOT}/mini`, ...args], FIRST);
} catch (error) {
  if (isRoot || !(error instanceof Deno.errors.NotFound)) throw error;
  console.error("./mini is built. It needs root, and there is no sudo here: become root and do this again");
  Deno.exit(1);
}
if (code === 0) {
  console.error(`
That was a container, made by ./mini. Next, type:

    ${`${mini} run -it --rm starter sh`.padEnd(42)}a shell in a container of its own
    ${"./mini --help".padEnd(42)}what else it can do
`);
}
Deno.exit(code);
