/** Measures commands side by side with hyperfine. */

export interface Measured {
  /** The median of all runs, in milliseconds. */
  readonly medianMs: number;
  readonly minMs: number;
  /** The median, over the rounds, of this command's median in a round to that of the first command. */
  readonly ratio: number;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Runs all commands in turns, `rounds` times `runs` runs of each, so that what the machine does besides hits all alike.
 *
 * Commands are run without a shell. Throws if hyperfine is missing or a command fails.
 */
export async function hyperfine(commands: readonly string[], rounds = 10, runs = 15): Promise<Measured[]> {
  const times: number[][][] = [];
  const json = await Deno.makeTempFile({ suffix: ".json" });
  try {
    for (let round = 0; round < rounds; round++) {
      const { success, stderr } = await new Deno.Command("hyperfine", {
        args: [
          "-N",
          "--style=none",
          `--warmup=${round === 0 ? 5 : 1}`,
          `--runs=${runs}`,
          `--export-json=${json}`,
          ...commands,
        ],
        stdin: "null",
      }).output();
      if (!success) throw new Error(`hyperfine: ${new TextDecoder().decode(stderr).trim()}`);
      const { results } = JSON.parse(await Deno.readTextFile(json)) as { results: { times: number[] }[] };
      times.push(results.map((result) => result.times));
    }
  } finally {
    await Deno.remove(json);
  }
  return commands.map((_, i) => {
    const all = times.flatMap((round) => round[i]!);
    return {
      medianMs: 1000 * median(all),
      minMs: 1000 * Math.min(...all),
      ratio: median(times.map((round) => median(round[i]!) / median(round[0]!))),
    };
  });
}

/** A table of measured commands in Markdown; ratios are to the first row. */
export function table(names: readonly string[], measured: readonly Measured[]): string {
  const rows = measured.map(({ medianMs, minMs, ratio }, i) =>
    `| ${names[i]} | ${medianMs.toFixed(1)} ms | ${minMs.toFixed(1)} ms | ${i === 0 ? "1" : ratio.toFixed(2)} × |`
  );
  return ["| command | median | fastest | to the first |", "| --- | ---: | ---: | ---: |", ...rows].join("\n");
}
