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

/** Runs a program with our standard streams; returns its exit status. */
async function run(command: string, ...args: string[]): Promise<number> {
  return (await new Deno.Command(command, { args, cwd: ROOT }).spawn().status).code;
}

// What the container runs: who and where it is, as only a container of its own can answer.
const FIRST = `echo "Hello from PID $$ on $(hostname), a machine of its own:"; id -un; ps -o pid,user,args; ` +
  `ls -d /*; echo; cat /proc/self/cgroup | head -n 3`;

if (builtAt() <= Math.max(...SOURCES.map((name) => newest(`${ROOT}/${name}`)))) {
  const code = await run(Deno.execPath(), "run", "-A", "tools/build.ts");
  if (code !== 0) Deno.exit(code);
}
const root = Deno.uid() === 0 ? [] : ["sudo"];
const command = [...root, "./mini", "run", "--rm", "--hostname", "starter", "starter", "sh", "-c"];
console.error(`\n$ ${command.join(" ")} '…'`);
const [program, ...args] = command;
const code = await run(program === "./mini" ? `${ROOT}/mini` : program!, ...args, FIRST);
if (code === 0) {
  console.error(`
That was a container, made by ./mini. Next, type:

    ${[...root, "./mini"].join(" ")} run -it --rm starter sh    a shell in a container of its own
    ./mini --help                     what else it can do
`);
}
Deno.exit(code);
