/** Shows what makes a container: the operations of its program, and what this process does beside it, in the order of time. */
import type { Results } from "../ffi/spawn.ts";
import type { Operation, Program } from "../ffi/program.ts";
import { manualPage, showCall, showResult } from "../ffi/show_call.ts";
import { ticksPerMicrosecond } from "../ffi/ticks.ts";
import type { Act } from "../ffi/witness.ts";
import type { Phase, Plan } from "../runtime/plan.ts";

/** One line of what is shown. */
export interface Step {
  /** From 1 on. */
  readonly number: number;
  /** What it is about; `mini` for what is done outside of the program. */
  readonly phase: Phase | "mini" | "start";
  /** With its arguments, as a person writes it. */
  readonly call: string;
  readonly why: string;
  /** `mount(2)` */
  readonly page: string;
  /** What it returned, or the name of its error; empty for what was not done, or never returns. */
  readonly result: string;
  readonly microseconds?: number;
  /** For what was done: whether a failure was expected and passed over. */
  readonly passed?: true;
}

/** The phase of each operation. */
export function phasesOf(phases: Plan["phases"], before: number): Step["phase"][] {
  return [
    ...Array<"start">(before).fill("start"),
    ...phases.flatMap(({ phase, length }) => Array<Phase>(length).fill(phase)),
  ];
}

/** The plan of a container, of which nothing has been done. */
export function planned(program: Program, phases: Plan["phases"]): Step[] {
  const all = phasesOf(phases, 0);
  return program.map((operation, i) => ({ number: i + 1, phase: all[i]!, ...shown(operation), result: "" }));
}

const shown = (operation: Operation) => ({
  call: showCall(operation),
  why: operation.why,
  page: manualPage(operation.call),
});

/** What was done, in the order in which it began. Operations that were not come to are left out. */
export function done(results: Results, phases: Plan["phases"], acts: readonly Act[]): Step[] {
  const perMicrosecond = ticksPerMicrosecond();
  const took = (began: bigint | undefined, ended: bigint | undefined) =>
    began === undefined || ended === undefined ? {} : { microseconds: Number(ended - began) / perMicrosecond };
  const all = phasesOf(phases, 1);
  let latest = 0n;
  const own = results.program.flatMap((operation, i) => {
    const { began, ended } = results.times(i), result = results.at(i);
    if (began === undefined && result === undefined) return [];
    // The first one has no time of its own; it comes before the second.
    latest = began ?? latest;
    const passed = result !== undefined && result < 0 && operation.optional ? { passed: true as const } : {};
    return [{
      began: began ?? 0n,
      step: {
        phase: all[i] ?? "exec",
        ...shown(operation),
        result: showResult(result),
        ...took(began, ended),
        ...passed,
      },
    }];
  });
  // A first one without a time stands where the process was made: directly before the next.
  const first = own[0], second = own[1];
  if (first && second && first.began === 0n) first.began = second.began - 1n;
  const beside = acts.map(({ call, why, began, ended, result }) => ({
    began,
    step: { phase: "mini" as const, call, why, page: pageOf(call), result, ...took(began, ended) },
  }));
  return [...own, ...beside].sort((a, b) => a.began < b.began ? -1 : a.began > b.began ? 1 : 0)
    .map(({ step }, i) => ({ number: i + 1, ...step }));
}

function pageOf(call: string): string {
  const name = call.slice(0, call.indexOf("("));
  return manualPage(name);
}

/** How many steps in a row that do the same make one line. */
const FEW = 3;

/** Steps, with those of one call and one phase that follow each other as one. */
export function folded(steps: readonly Step[]): Step[] {
  const name = ({ call }: Step) => call.slice(0, call.indexOf("("));
  const groups: Step[][] = [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (last && name(last[0]!) === name(step) && last[0]!.phase === step.phase && name(step) !== "") last.push(step);
    else groups.push([step]);
  }
  return groups.flatMap((group) => {
    const [first] = group;
    if (group.length <= FEW || !first) return group;
    const times = group.flatMap(({ microseconds }) => microseconds ?? []);
    return [{
      ...first,
      call: `${first.call}  … and ${group.length - 1} more of ${name(first)}`,
      ...times.length > 0 ? { microseconds: times.reduce((sum, one) => sum + one) } : {},
    }];
  });
}
