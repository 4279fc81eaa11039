/**
 * Writes a program as a static ELF file: the loop (x86_64.ts, aarch64.ts), the operations and their data. Nothing is dynamic,
 * nothing is relocated, and the process has no libc and no stack to speak of. Format: elf(5).
 *
 * | segment | may be | holds |
 * | --- | --- | --- |
 * | CODE | read, executed | headers and loop |
 * | DATA | read | operations, strings, structures |
 * | CELLS | read, written | what calls write to |
 * | RESULTS | read, written, shared with the caller | mapped by the program's own first operation |
 */
import { MAP_FIXED, MAP_SHARED, PROT_READ, PROT_WRITE } from "./constants.ts";
import { MiniError } from "./errors.ts";
import { cString } from "./kernel.ts";
import { link, type Machine } from "./machine_code.ts";
import { type Argument, indexByName, type Jump, op, type Operation, type Program } from "./program.ts";
import { SYSCALL_NUMBERS } from "./syscall_numbers.ts";

// A segment's address must be its file offset modulo the size of a page. DATA's is for every page size there is (its offset is
// added); CELLS' offset is rounded up to the largest size that the machine's kernels use.
const CODE = 0x10000, DATA = 0x1000000, CELLS = 0x20000000, RESULTS = 0x30000000;
const PAGE = 4096, OPERATION_BYTES = 64;

/** Bytes in front of the results: a long that holds the index + 1 of the operation that ended the process, or 0. */
export const RESULTS_HEADER = 64;
/** What a result is before its operation has run: no call returns it. */
export const NOT_RUN = -(2n ** 63n);
/** How many bytes the memory shared with the caller takes. */
export function resultsBytes(operations: number): number {
  return Math.ceil((RESULTS_HEADER + 8 * operations) / PAGE) * PAGE;
}

/** The operation that every program begins with: from here on the caller sees the results. `fd` is a memfd. */
export function mapResults(fd: number, operations: number): Operation {
  return op(
    "mmap",
    [RESULTS, resultsBytes(operations), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0],
    "share the results of all operations with the caller",
  );
}

/** A jump's target has 16 bits. */
const MOST_OPERATIONS = 0x10000;

/** Whether nothing can be executed after the last operation: the loop does not know where the operations end. */
function endsForGood(program: Program): boolean {
  const last = program.at(-1);
  if (!last) return false;
  return last.jump?.when === "always" ||
    ["execve", "execveat", "exit", "exit_group"].includes(last.call) && !last.optional;
}

const OPTIONAL = 1, LESS = 2, EQUAL = 4, GREATER = 8;
const WHEN: Record<Jump["when"], number> = {
  "<": LESS,
  "=": EQUAL,
  ">": GREATER,
  "<=": LESS | EQUAL,
  ">=": EQUAL | GREATER,
  "!=": LESS | GREATER,
  "always": LESS | EQUAL | GREATER,
};

/** Lays out constant data behind the operations, the same content once. */
class Data {
  readonly chunks: Uint8Array[] = [];
  readonly #placed = new Map<string, number>();
  constructor(public end: number) {}

  put(bytes: Uint8Array): number {
    const at = this.end, padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8);
    padded.set(bytes);
    this.chunks.push(padded);
    this.end += padded.length;
    return at;
  }

  string(text: string): number {
    let at = this.#placed.get(text);
    if (at === undefined) this.#placed.set(text, at = this.put(cString(text)));
    return at;
  }
}

/** Gives each cell its place. */
class Cells {
  readonly #placed = new Map<string, { at: number; size: number }>();
  end = CELLS;

  address(name: string, size: number, offset = 0): number {
    let cell = this.#placed.get(name);
    if (!cell) {
      this.#placed.set(name, cell = { at: this.end, size });
      this.end += Math.ceil(size / 8) * 8 + 8; // eight more, so that a load of 64 bits may begin at the last byte
    }
    if (cell.size !== size) throw new Error(`program: cell ${name} has two sizes`);
    if (offset < 0 || offset >= size) throw new Error(`program: cell ${name} has ${size} bytes, and none at ${offset}`);
    return cell.at + offset;
  }
}

/**
 * The ELF file of a program whose first operation is `mapResults`.
 *
 * @throws {MiniError} for a system call that the machine does not have, or a string with a NUL in it.
 * @throws {Error} for a program that is wrong in itself: an unknown name, a run-time value inside `words`, no end.
 */
export function elf(program: Program, machine: Machine): Uint8Array<ArrayBuffer> {
  if (program.length > MOST_OPERATIONS) throw new Error(`program: more than ${MOST_OPERATIONS} operations`);
  if (!endsForGood(program)) throw new Error("program: its last operation can be passed by");
  const index = indexByName(program);
  const indexOf = (name: string) => {
    const i = index.get(name);
    if (i === undefined) throw new Error(`program: no operation is named ${name}`);
    return i;
  };
  const resultAddress = (name: string) => BigInt(RESULTS + RESULTS_HEADER + 8 * indexOf(name));
  const dataStart = DATA + PAGE;
  const data = new Data(dataStart + program.length * OPERATION_BYTES), cells = new Cells();

  /** The 64-bit word of an argument, and whether the argument is not that word but what it points to. */
  function word(argument: Argument): { value: bigint; indirect: boolean } {
    const direct = (value: number | bigint) => ({ value: BigInt.asUintN(64, BigInt(value)), indirect: false });
    if (typeof argument === "number" || typeof argument === "bigint") return direct(argument);
    if (typeof argument === "string") return direct(data.string(argument));
    if (argument instanceof Uint8Array) return direct(data.put(argument));
    if ("result" in argument) return { value: resultAddress(argument.result), indirect: true };
    if ("resultAddress" in argument) return { value: resultAddress(argument.resultAddress), indirect: false };
    if ("cell" in argument) return direct(cells.address(argument.cell, argument.size, argument.offset));
    if ("load" in argument) {
      return { value: BigInt(cells.address(argument.load, argument.size, argument.offset)), indirect: true };
    }
    const items: readonly Argument[] = "words" in argument ? argument.words : [...argument, 0];
    const words = items.map((item) => {
      const { value, indirect } = word(item);
      if (indirect) throw new Error("program: a block of words is laid down before the program runs");
      return value;
    });
    return direct(data.put(new Uint8Array(new BigUint64Array(words).buffer)));
  }

  const table = new DataView(new ArrayBuffer(program.length * OPERATION_BYTES));
  program.forEach((operation, i) => {
    const at = i * OPERATION_BYTES;
    let loads = 0;
    const write = (argument: Argument, slot: number) => {
      const { value, indirect } = word(argument);
      table.setBigUint64(at + 8 + 8 * slot, value, true);
      if (indirect) loads |= 1 << slot;
    };
    if (operation.args.length > 6) throw new Error(`program: ${operation.call} has more than six arguments`);
    operation.args.forEach(write);
    if (operation.jump) write(operation.jump.than ?? 0, 6);
    const number = operation.call === "add" ? 0xffffffff : SYSCALL_NUMBERS[operation.call][machine.column];
    if (number < 0) throw new MiniError(`${machine.name} has no system call ${operation.call}`);
    table.setUint32(at, number, true);
    table.setUint8(
      at + 4,
      (operation.optional || operation.call === "add" ? OPTIONAL : 0) |
        (operation.jump ? WHEN[operation.jump.when] : 0),
    );
    table.setUint8(at + 5, loads);
    table.setUint16(at + 6, operation.jump ? indexOf(operation.jump.to) : 0, true);
  });

  const headers = 64 + 3 * 56;
  const code = link(machine.start(dataStart, RESULTS + RESULTS_HEADER), machine.setDistance);
  const dataBytes = data.end - dataStart;
  const cellsBytes = cells.end - CELLS, largestPage = machine.name === "aarch64" ? 65536 : PAGE;
  const cellsOffset = cellsBytes ? Math.ceil((PAGE + dataBytes) / largestPage) * largestPage : PAGE + dataBytes;
  const file = new Uint8Array(cellsOffset + cellsBytes), view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, /* 64-bit, little-endian, version */ 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machine.elfMachine, true);
  view.setUint32(20, 1, true); // EV_CURRENT
  view.setBigUint64(24, BigInt(CODE + headers), true); // entry
  view.setBigUint64(32, 64n, true); // program headers
  view.setUint16(52, 64, true); // sizes of this header, of a program header, and the number of those
  view.setUint16(54, 56, true);
  view.setUint16(56, cellsBytes ? 3 : 2, true);
  const segment = (i: number, flags: number, offset: number, address: number, size: number) => {
    const at = 64 + 56 * i;
    view.setUint32(at, 1, true); // PT_LOAD
    view.setUint32(at + 4, flags, true);
    [offset, address, address, size, size, PAGE].forEach((x, j) => view.setBigUint64(at + 8 + 8 * j, BigInt(x), true));
  };
  const R = 4, W = 2, X = 1;
  segment(0, R | X, 0, CODE, headers + code.length);
  segment(1, R, PAGE, dataStart, dataBytes);
  if (cellsBytes) segment(2, R | W, cellsOffset, CELLS, cellsBytes);
  file.set(code, headers);
  file.set(new Uint8Array(table.buffer), PAGE);
  let at = PAGE + table.byteLength;
  for (const chunk of data.chunks) {
    file.set(chunk, at);
    at += chunk.length;
  }
  return file;
}
