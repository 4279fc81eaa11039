/** How long `./mini` takes to start, and to run a container, side by side with bare Deno and with runc. */
import { resolve } from "@std/path";
import { hyperfine, table } from "./hyperfine.ts";
import { firstLine } from "./machine.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const MINI = `${ROOT}/mini`;

export const title = "Startup";

function run(command: string, args: string[], cwd: string): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args, cwd, stdin: "null" }).outputSync();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}

/** An OCI bundle that runs `true` in the root file system that is embedded in ./mini. */
export function makeBundle(folder: string): void {
  Deno.mkdirSync(`${folder}/rootfs`, { recursive: true });
  run("tar", ["-xzf", `${ROOT}/build/starter.tar.gz`, "-C", "rootfs"], folder);
  run("runc", ["spec"], folder);
  const config = JSON.parse(Deno.readTextFileSync(`${folder}/config.json`));
  config.process.args = ["true"];
  config.process.terminal = false;
  Deno.writeTextFileSync(`${folder}/config.json`, JSON.stringify(config));
}

/** Measures, and returns a section of Markdown without its heading. */
export async function bench(): Promise<string> {
  if (Deno.uid() !== 0) throw new Error("containers are measured as root");
  const folder = await Deno.makeTempDir();
  try {
    makeBundle(`${folder}/bundle`);
    await Deno.writeTextFile(`${folder}/empty.js`, "");
    const places = `--root ${folder}/images --state ${folder}/state`;
    const commands = {
      "`deno run` of an empty file": `${Deno.execPath()} run ${folder}/empty.js`,
      "`mini --version`": `${MINI} --version`,
      "`mini run --rm --network none starter true`": `${MINI} ${places} run --rm --network none starter true`,
      "`runc run` of the same root on a ready bundle": `runc --root ${folder}/runc run --bundle ${folder}/bundle bench`,
    };
    const versions = [firstLine(MINI, "--version"), `deno ${Deno.version.deno}`, firstLine("runc", "--version")];
    const measured = await hyperfine(Object.values(commands));
    const [deno, version, mini, runc] = measured, more = version!.medianMs - deno!.medianMs;
    return [
      table(Object.keys(commands), measured),
      `\`mini --version\` takes ${Math.abs(more).toFixed(1)} ms ${more < 0 ? "less" : "more"} than the empty program ` +
      `(at most 8 are allowed). \`mini run\` takes ${
        (mini!.ratio / runc!.ratio).toFixed(2)
      } times as long as \`runc run\`.`,
      `${versions.join(", ")}.`,
    ].join("\n\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
