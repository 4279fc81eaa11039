/** Runs classic BPF programs as the kernel would run them for seccomp, and refuses what its checker refuses. */

/** What a filter sees of a system call: struct seccomp_data. */
export interface Call {
  readonly arch: number;
  readonly number: number;
  readonly args: readonly bigint[];
}

const BYTES = 64;

/** struct seccomp_data as bytes. */
export function seccompData({ arch, number, args }: Call): DataView {
  const view = new DataView(new ArrayBuffer(BYTES));
  view.setUint32(0, number, true);
  view.setUint32(4, arch, true);
  args.forEach((arg, i) => view.setBigUint64(16 + 8 * i, BigInt.asUintN(64, arg), true));
  return view;
}

interface Instruction {
  readonly code: number;
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly operand: number;
}

/** A program that has been checked, to be run any number of times. */
export class Interpreter {
  readonly #program: Instruction[] = [];

  /** @throws {Error} for what bpf_check_classic and seccomp_check_filter of the kernel refuse, among what compilers emit. */
  constructor(bytes: Uint8Array) {
    if (bytes.length % 8 !== 0 || bytes.length === 0 || bytes.length / 8 > 4096) throw new Error("a wrong length");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += 8) {
      this.#program.push({
        code: view.getUint16(at, true),
        jumpTrue: view.getUint8(at + 2),
        jumpFalse: view.getUint8(at + 3),
        operand: view.getUint32(at + 4, true),
      });
    }
    const end = this.#program.length;
    this.#program.forEach(({ code, jumpTrue, jumpFalse, operand }, i) => {
      const fits = (jump: number) => i + 1 + jump < end;
      const fine = code === 0x20
        ? operand % 4 === 0 && operand < BYTES
        : code === 0x05
        ? fits(operand)
        : [0x15, 0x25, 0x35, 0x45].includes(code)
        ? fits(jumpTrue) && fits(jumpFalse)
        : [0x06, 0x54].includes(code);
      if (!fine) {
        throw new Error(`instruction ${i} is not valid: ${code.toString(16)} ${jumpTrue} ${jumpFalse} ${operand}`);
      }
    });
    if (this.#program.at(-1)!.code !== 0x06) throw new Error("the last instruction does not return");
  }

  get length(): number {
    return this.#program.length;
  }

  /** The value that the program returns, and how many instructions that took. */
  run(data: DataView): { value: number; steps: number } {
    let accumulator = 0;
    for (let at = 0, steps = 1;; at++, steps++) {
      const { code, jumpTrue, jumpFalse, operand } = this.#program[at]!;
      const jump = (holds: boolean) => at += holds ? jumpTrue : jumpFalse;
      if (code === 0x06) return { value: operand, steps };
      else if (code === 0x20) accumulator = data.getUint32(operand, true);
      else if (code === 0x54) accumulator = (accumulator & operand) >>> 0;
      else if (code === 0x05) at += operand;
      else if (code === 0x15) jump(accumulator === operand);
      else if (code === 0x25) jump(accumulator > operand);
      else if (code === 0x35) jump(accumulator >= operand);
      else jump((accumulator & operand) !== 0);
    }
  }
}
