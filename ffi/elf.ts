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
import { checkCString } from "./kernel.ts";
import { link, type Machine } from "./machine_code.ts";
import { type Argument, indexByName, type Jump, op, type Operation, type Program } from "./program.ts";
import { syscallNumbers } from "./syscall_numbers.ts";

// A segment's address must be its file offset modulo the size of a page. DATA's is for every page size there is (its offset is
// added); CELLS' offset is rounded up to the largest size that the machine's kernels use.
const CODE = 0x10000, DATA = 0x1000000, CELLS = 0x20000000, RESULTS = 0x30000000;
const PAGE = 4096, OPERATION_BYTES = 64;
const encoder = new TextEncoder();

/** Bytes in front of the results: a long that holds the index + 1 of the operation that ended the process, or 0. */
export const RESULTS_HEADER = 64;
/** What a result is before its operation has run: no call returns it. */
export const NOT_RUN = -(2n ** 63n);
/** Where in the shared memory the times of a timed program begin, two longs for each operation. */
export const timesOffset = (operations: number) => RESULTS_HEADER + 8 * operations;
/** How many bytes the memory shared with the caller takes. */
export function resultsBytes(operations: number, timed: boolean): number {
  return Math.ceil((timesOffset(operations) + (timed ? 16 * operations : 0)) / PAGE) * PAGE;
}

/** The operation that every program begins with: from here on the caller sees the results. `fd` is a memfd. */
export function mapResults(fd: number, operations: number, timed: boolean): Operation {
  return op(
    "mmap",
    [RESULTS, resultsBytes(operations, timed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0],
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

/**
 * The file as it grows. It is written word by word into one buffer, and numbers stay numbers as far as they can: this runs
 * once in a command's life, before anything has been compiled to machine code, and bigints and small arrays are slow then.
 */
class Image {
  bytes = new Uint8Array(64 << 10);
  view = new DataView(this.bytes.buffer);
  readonly #strings = new Map<string, number>();
  readonly #vectors = new Map<readonly Argument[], number>();

  /** @param end the offset that data begins at. */
  constructor(public end: number) {
    this.reserve(0);
  }

  /** Takes `size` zero bytes, rounded up to a word; returns their offset. */
  reserve(size: number): number {
    const at = this.end;
    this.end += size + 7 & ~7;
    if (this.end > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.end, 2 * this.bytes.length));
      grown.set(this.bytes);
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return at;
  }

  put(bytes: Uint8Array): number {
    const at = this.reserve(bytes.length);
    this.bytes.set(bytes, at);
    return at;
  }

  /** The same text is laid down once. */
  string(text: string): number {
    let at = this.#strings.get(text);
    if (at !== undefined) return at;
    checkCString(text);
    // Three bytes for a UTF-16 unit at the most, and the NUL.
    at = this.reserve(3 * text.length + 1);
    const { written } = encoder.encodeInto(text, this.bytes.subarray(at));
    this.end = at + written + 8 & ~7;
    this.#strings.set(text, at);
    return at;
  }

  /** The same array, an environment that is passed to several calls, is laid down once. */
  vector(items: readonly Argument[], lay: () => number): number {
    let at = this.#vectors.get(items);
    if (at === undefined) this.#vectors.set(items, at = lay());
    return at;
  }

  word(at: number, value: number | bigint): void {
    if (typeof value === "bigint") return this.view.setBigUint64(at, BigInt.asUintN(64, value), true);
    if (!Number.isSafeInteger(value)) throw new Error(`program: ${value} is no integer that fits a register`);
    this.view.setUint32(at, value >>> 0, true);
    this.view.setUint32(at + 4, Math.floor(value / 0x100000000) >>> 0, true);
  }
}

/** Gives each cell its place. */
class Cells {
  readonly #placed = new Map<string, { at: number; size: number }>();
  /** What is in them at first, where that is not zero. */
  readonly filled = new Map<number, number | bigint>();
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
export function elf(program: Program, machine: Machine, timed = false): Uint8Array<ArrayBuffer> {
  if (program.length > MOST_OPERATIONS) throw new Error(`program: more than ${MOST_OPERATIONS} operations`);
  if (!endsForGood(program)) throw new Error("program: its last operation can be passed by");
  const index = indexByName(program);
  const indexOf = (name: string) => {
    const i = index.get(name);
    if (i === undefined) throw new Error(`program: no operation is named ${name}`);
    return i;
  };
  const resultAddress = (name: string) => RESULTS + RESULTS_HEADER + 8 * indexOf(name);
  // An address is an offset in the file and DATA, which is a multiple of every page size.
  const image = new Image(PAGE + program.length * OPERATION_BYTES), cells = new Cells();
  /** Whether the last `word` is not the argument itself but where the argument is. */
  let indirect = false;

  function word(argument: Argument): number | bigint {
    indirect = false;
    if (typeof argument === "number" || typeof argument === "bigint") return argument;
    if (typeof argument === "string") return DATA + image.string(argument);
    if (argument instanceof Uint8Array) return DATA + image.put(argument);
    if (Array.isArray(argument)) return DATA + image.vector(argument, () => block(argument, argument.length + 1));
    if ("resultAddress" in argument) return resultAddress(argument.resultAddress);
    if ("cell" in argument) {
      const at = cells.address(argument.cell, argument.size);
      argument.words?.forEach((item, i) => {
        cells.filled.set(at + 8 * i, word(item));
        if (indirect) throw new Error("program: a cell is filled before the program runs");
      });
      return cells.address(argument.cell, argument.size, argument.offset);
    }
    if ("words" in argument) return DATA + block(argument.words, argument.words.length);
    if ("result" in argument) {
      const address = resultAddress(argument.result);
      indirect = true;
      return address;
    }
    if (!("load" in argument)) throw new Error("program: an argument of an unknown kind");
    const address = cells.address(argument.load, argument.size, argument.offset);
    indirect = true;
    return address;
  }

  function block(items: readonly Argument[], length: number): number {
    const at = image.reserve(8 * length);
    items.forEach((item, i) => {
      const value = word(item);
      if (indirect) throw new Error("program: a block of words is laid down before the program runs");
      image.word(at + 8 * i, value);
    });
    return at;
  }

  program.forEach((operation, i) => {
    const at = PAGE + i * OPERATION_BYTES;
    let loads = 0;
    const { args, jump } = operation;
    if (args.length > 6) throw new Error(`program: ${operation.call} has more than six arguments`);
    for (let slot = 0; slot < args.length; slot++) {
      const value = word(args[slot]!);
      if (indirect) loads |= 1 << slot;
      image.word(at + 8 + 8 * slot, value);
    }
    if (jump?.than !== undefined) {
      const value = word(jump.than);
      if (indirect) loads |= 1 << 6;
      image.word(at + 56, value);
    }
    const number = operation.call === "add" ? 0xffffffff : syscallNumbers(operation.call)?.[machine.column] ?? -1;
    if (number < 0) throw new MiniError(`${machine.name} has no system call ${operation.call}`);
    const { view } = image;
    view.setUint32(at, number, true);
    view.setUint8(
      at + 4,
      (operation.optional ?? operation.call === "add" ? OPTIONAL : 0) | (jump ? WHEN[jump.when] : 0),
    );
    view.setUint8(at + 5, loads);
    view.setUint16(at + 6, jump ? indexOf(jump.to) : 0, true);
  });

  const headers = 64 + 3 * 56;
  const times = timed ? RESULTS + timesOffset(program.length) : undefined;
  const code = link(machine.start(DATA + PAGE, RESULTS + RESULTS_HEADER, times), machine.setDistance);
  const cellsBytes = cells.end - CELLS, largestPage = machine.name === "aarch64" ? 65536 : PAGE;
  const dataEnd = image.end;
  if (cellsBytes) {
    image.reserve(Math.ceil(dataEnd / largestPage) * largestPage - dataEnd);
    const at = image.reserve(cellsBytes);
    cells.filled.forEach((value, address) => image.word(at + address - CELLS, value));
  }
  const { bytes, view } = image;
  bytes.set([0x7f, 0x45, 0x4c, 0x46, /* 64-bit, little-endian, version */ 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machine.elfMachine, true);
  view.setUint32(20, 1, true); // EV_CURRENT
  image.word(24, CODE + headers); // entry
  image.word(32, 64); // program headers
  view.setUint16(52, 64, true); // sizes of this header, of a program header, and the number of those
  view.setUint16(54, 56, true);
  view.setUint16(56, cellsBytes ? 3 : 2, true);
  const segment = (i: number, flags: number, offset: number, address: number, size: number) => {
    const at = 64 + 56 * i;
    view.setUint32(at, 1, true); // PT_LOAD
    view.setUint32(at + 4, flags, true);
    [offset, address, address, size, size, PAGE].forEach((value, j) => image.word(at + 8 + 8 * j, value));
  };
  const R = 4, W = 2, X = 1;
  segment(0, R | X, 0, CODE, headers + code.length);
  segment(1, R, PAGE, DATA + PAGE, dataEnd - PAGE);
  if (cellsBytes) segment(2, R | W, image.end - cellsBytes, CELLS, cellsBytes);
  bytes.set(code, headers);
  return bytes.subarray(0, image.end);
}
