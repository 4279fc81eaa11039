/**
 * A very small assembler: lines of bytes, each with the text a disassembler prints for it, and jumps between named lines.
 *
 * The text is not decoration: a test disassembles the bytes with binutils and compares line by line.
 */

/** One instruction. `to` names the line that a jump goes to; its distance is filled in by `link`. */
export interface Line {
  /** The bytes, little-endian as they stand in memory; a jump's distance is left zero. */
  readonly bytes: readonly number[];
  /** What binutils prints for it; for a jump, without the target. */
  readonly text: string;
  /** The name other lines jump to. */
  readonly name?: string;
  readonly to?: string;
}

/** Writes the distance of a jump into its bytes. `distance` counts from the beginning of the jump's own instruction. */
export type SetDistance = (bytes: number[], distance: number) => void;

/** Joins lines into machine code, filling in the distance of every jump. */
export function link(lines: readonly Line[], setDistance: SetDistance): Uint8Array<ArrayBuffer> {
  const at = new Map<string, number>();
  let size = 0;
  for (const line of lines) {
    if (line.name !== undefined) at.set(line.name, size);
    size += line.bytes.length;
  }
  const code = new Uint8Array(size);
  let offset = 0;
  for (const line of lines) {
    const bytes = [...line.bytes];
    if (line.to !== undefined) {
      const target = at.get(line.to);
      if (target === undefined) throw new Error(`machine code: nothing is named ${line.to}`);
      setDistance(bytes, target - offset);
    }
    code.set(bytes, offset);
    offset += bytes.length;
  }
  return code;
}

/** What one kind of machine needs: see x86_64.ts for what each piece does. */
export interface Machine {
  /** `uname -m`, and Deno.build.arch. */
  readonly name: "x86_64" | "aarch64";
  /** Which column of the table of system call numbers. */
  readonly column: 0 | 1;
  /** e_machine of its ELF files, elf(5). */
  readonly elfMachine: number;
  /** `long call(nr, a1 … a6)`: one system call, returning what the kernel returned (-errno on failure). */
  readonly call: readonly Line[];
  /** `long spawn(struct clone_args *, size_t, operations *, long *results)`: clone3; the child walks the operations. */
  readonly spawn: readonly Line[];
  /** `long counter()`: what the timed loop stores, ticks of a clock that never stops. */
  readonly counter: readonly Line[];
  /**
   * The beginning of a program's own process: operations and results are at these addresses. With `times` it stores there
   * when each operation began and ended, two longs each.
   */
  start(operations: number, results: number, times?: number): readonly Line[];
  readonly setDistance: SetDistance;
}
