/** How long a container takes from start to exit in a program that has mini as its library, side by side with runc. */
import { Mini } from "../mod.ts";
import { firstLine } from "./machine.ts";
import { run } from "./peers.ts";
import { makeBundle } from "./startup.ts";

export const title = "Library";

/** Rounds that count; those before them warm up. */
const ROUNDS = 60, WARM = 10;

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Measures, and returns a section of Markdown without its heading. */
export async function bench(): Promise<string> {
  const folder = await Deno.makeTempDir({ dir: "/var/tmp" });
  try {
    makeBundle(`${folder}/bundle`);
    const mini = new Mini({ root: `${folder}/root`, state: `${folder}/state` });
    const options = { network: "none", stdout: "null", stderr: "null" } as const;
    const ways: Record<string, () => Promise<void>> = {
      "`mini.run(…)` to `await container.status`, in a program that is warm": async () => {
        await using container = await mini.run("starter", ["true"], options);
        const { code } = await container.status;
        if (code !== 0) throw new Error(`true ended with ${code}`);
      },
      "`runc run` of the same root on a ready bundle": async () => {
        await run(["runc", "--root", `${folder}/runc`, "run", "--bundle", `${folder}/bundle`, "bench"]);
      },
    };
    const names = Object.keys(ways), times = names.map((): number[] => []), ratios = names.map((): number[] => []);
    for (let round = -WARM; round < ROUNDS; round++) {
      const took: number[] = [];
      for (const name of names) {
        const began = performance.now();
        await ways[name]!();
        took.push(performance.now() - began);
      }
      if (round < 0) continue;
      took.forEach((time, i) => {
        times[i]!.push(time);
        ratios[i]!.push(time / took[0]!);
      });
    }
    const line = (name: string, i: number) =>
      `| ${name} | ${median(times[i]!).toFixed(1)} ms | ${Math.min(...times[i]!).toFixed(1)} ms | ${
        median(ratios[i]!).toFixed(2)
      } × |`;
    return [
      ["| start to exit | median | fastest | to the first |", "| --- | ---: | ---: | ---: |", ...names.map(line)].join(
        "\n",
      ),
      `${ROUNDS} rounds. ${firstLine("runc", "--version")}, deno ${Deno.version.deno}.`,
    ].join("\n\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
