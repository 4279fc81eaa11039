/** A program that asks before each of its operations, and goes on when it is answered. */
import { type Argument, op, type Operation, type Program } from "./program.ts";

/** What jumps to an operation called so go to: the question before it. */
const question = (name: string) => `step ${name}`;

/**
 * The program with a question before each operation: it writes the operation's place in `program` (4 bytes, little-endian) to
 * `gate`, a socket, and reads a byte from it. At the end of the socket it goes on with the operation that is called `until`.
 * Neither this one nor what follows it is asked about.
 *
 * @returns the program, and the place in it of each operation of the old one.
 */
export function stepped(program: Program, gate: number, until: string): { program: Program; places: number[] } {
  const end = program.findIndex(({ name }) => name === until);
  if (end < 0) throw new Error(`program: no operation is named ${until}`);
  const asked = new Set(program.slice(0, end).flatMap(({ name }) => name ?? []));
  const answer: Argument = { cell: "step", size: 8 };
  const places: number[] = [];
  const whole: Operation[] = [];
  program.forEach((operation, i) => {
    if (i < end) {
      const place = new Uint8Array(new Uint32Array([i]).buffer);
      // Optional: an operation may have closed the socket, or forbidden these calls, and it goes on without questions then.
      whole.push(
        op("write", [gate, place, place.length], "", {
          optional: true,
          ...operation.name === undefined ? {} : { name: question(operation.name) },
        }),
        op("read", [gate, answer, 1], "", { optional: true, jump: { when: "=", than: 0, to: until } }),
      );
    }
    places.push(whole.length);
    const { jump } = operation;
    whole.push(jump && asked.has(jump.to) ? { ...operation, jump: { ...jump, to: question(jump.to) } } : operation);
  });
  return { program: whole, places };
}
