/** The clock that timed programs read (machine_code.ts): a counter of the processor's that never stops. */
import { machine, makeFunction } from "./kernel.ts";

const CALIBRATION_MS = 3;

let counter: (() => bigint) | undefined;

/** The counter now. */
export const ticks = (): bigint => (counter ??= makeFunction(machine.counter))();

let perMicrosecond: number | undefined;

/** How many ticks a microsecond has; takes some milliseconds to find out, once. */
export function ticksPerMicrosecond(): number {
  if (perMicrosecond !== undefined) return perMicrosecond;
  ticks(); // loads it
  const from = ticks(), began = performance.now();
  while (performance.now() - began < CALIBRATION_MS);
  return perMicrosecond = Number(ticks() - from) / ((performance.now() - began) * 1000);
}
