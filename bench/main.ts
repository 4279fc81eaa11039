/**
 * `deno task bench [NAME…]`: runs the benchmarks in this folder (all, or those named), and puts what they measured into
 * RESULTS.md. Each is a module that exports `title` and `bench()`, which returns a section of Markdown.
 */
import { machine } from "./machine.ts";

interface Benchmark {
  readonly title: string;
  bench(): Promise<string>;
}

/** The other modules are what benchmarks share. */
const BENCHMARKS: Record<string, () => Promise<Benchmark>> = {
  daily: () => import("./daily.ts"),
  network: () => import("./network.ts"),
  oci: () => import("./oci.ts"),
  oci_machine: () => import("./oci_machine.ts"),
  logs: () => import("./logs.ts"),
  library: () => import("./library.ts"),
  pull: () => import("./pull.ts"),
  startup: () => import("./startup.ts"),
  unpack: () => import("./unpack.ts"),
};

const RESULTS = `${import.meta.dirname}/RESULTS.md`;
const HEAD = `# Results

Measured by \`deno task bench\`: all programs of a table in turns in one run, medians of all runs, and the median over the
rounds of the ratios within each round. Figures depend on the machine; ratios do less.
`;

/** The sections of RESULTS.md by their headings. */
async function sections(): Promise<Map<string, string>> {
  const text = await Deno.readTextFile(RESULTS).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  return new Map(
    text.split(/^## /m).slice(1).map((section) => {
      const end = section.indexOf("\n");
      return [section.slice(0, end), section.slice(end).trim()];
    }),
  );
}

const unknown = Deno.args.filter((name) => !Object.hasOwn(BENCHMARKS, name));
if (unknown.length > 0) {
  console.error(`bench: there is no ${unknown.join(", ")}; there are ${Object.keys(BENCHMARKS).join(", ")}`);
  Deno.exit(2);
}
// The peers come from Debian's packages; what cannot be installed is told, and left out of the tables.
for (const command of [["sh", "tools/install-test-needs.sh"], [Deno.execPath(), "run", "-A", "tools/build.ts"]]) {
  const { success } = await new Deno.Command(command[0]!, { args: command.slice(1), cwd: `${import.meta.dirname}/..` })
    .spawn().status;
  if (!success) Deno.exit(1);
}
const results = await sections();
for (const name of Deno.args.length > 0 ? Deno.args : Object.keys(BENCHMARKS)) {
  const { title, bench } = await BENCHMARKS[name]!();
  console.error(`bench: ${name}`);
  const measured = await bench();
  const where = `${new Date().toISOString().slice(0, 10)}, ${machine()}.`;
  results.set(title, `${where}\n\n${measured}`);
  console.log(`\n${measured}\n`);
}
const text = [...results].map(([title, section]) => `\n## ${title}\n\n${section}\n`).join("");
await Deno.writeTextFile(RESULTS, HEAD + text);
