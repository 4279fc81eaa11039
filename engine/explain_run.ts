/** The plan of a container that is not made, and what was done for one that is. */
import { close } from "../ffi/kernel.ts";
import { witness } from "../ffi/witness.ts";
import { prepare } from "../runtime/container.ts";
import { makePair } from "../runtime/handshake.ts";
import { plan } from "../runtime/plan.ts";
import type { Containers } from "./containers.ts";
import { create, type CreateOptions, type Source } from "./create.ts";
import { done, planned, type Step } from "./explain.ts";
import { forgetWithVolumes } from "./forget.ts";
import { rootOf } from "./start.ts";
import { makePipes } from "./stdio.ts";
import type { StartOptions } from "../runtime/container.ts";

/**
 * What the program of a container would do. A container is made as far as its specification, and removed again.
 *
 * @throws {MiniError} for what could not be run.
 */
export async function planOf(containers: Containers, source: Source, options: CreateOptions): Promise<Step[]> {
  await containers.sweep();
  const made = await create(containers, source, options);
  const [ours, theirs] = makePair();
  const { tty, openStdin, init } = made.record.config;
  const pipes = tty ? undefined : makePipes(openStdin, 0);
  try {
    const root = rootOf(made, containers.folder(made.record.id));
    const network = made.record.config.networks?.length ? () => {} : undefined;
    const { input, descriptors, fallback } = await prepare(
      made.spec,
      { root, init, network, ...pipes ? { stdio: pipes.theirs } : {} },
      theirs,
    );
    try {
      const { program, phases } = plan(input);
      return planned(program, phases);
    } finally {
      descriptors.forEach(close);
      fallback?.close();
    }
  } finally {
    pipes?.close();
    close(ours);
    close(theirs);
    await forgetWithVolumes(containers, made.record, () => {}, made.newVolumes);
    close(made.lock);
  }
}

/** Has everything told from now on. @param tell is given the steps when the container has ended, or runs in the background. */
export function explaining(tell: (steps: Step[]) => void): Pick<StartOptions, "explain"> {
  const acts = witness();
  return { explain: (results, phases) => tell(done(results, phases, acts)) };
}
