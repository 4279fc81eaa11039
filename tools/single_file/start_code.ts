/**
 * The machine code that the one file begins with: it turns `mini ARGUMENTS` into `deno run OPTIONS MODULE ARGUMENTS` in
 * the process's own memory and goes on to Deno's own beginning.
 *
 * When the kernel has loaded the file and the dynamic linker has done its work, it jumps to the file's entry point, which is
 * this code, with the stack as the ABI lays it out: argc, argv, 0, envp, 0, auxv. The code writes the same below it:
 *
 *     argc'   the number of the arguments that follow
 *     argv'   our fixed arguments, then the user's (all but the first), 0
 *     envp'   our own variables, then the user's that no rule drops, 0
 *     auxv    as it was
 *
 * It stores the address of envp' in libc's variable `environ` (the dynamic linker has set it to the old one), moves the
 * stack pointer there and jumps. The strings stay where they are, so /proc/PID/cmdline, /proc/PID/environ and ps(1)
 * show what the user typed.
 *
 * All it needs to know is in the *lists* right behind the code:
 *
 *     +0   i64  where the address of `environ` is, counted from the lists
 *     +8   i64  Deno's entry point, counted from the lists
 *     +16  u64  how many bytes the new arguments and variables take on the stack
 *     +24  u32  offsets of the fixed arguments from the lists, 0
 *          u32  offsets of our variables, 0
 *          rules, the first that a variable begins with decides: u8 length, u8 keep (0: drop), the letters; u8 0
 *          the strings, each ended by 0
 */
import type { Line, SetDistance } from "../../ffi/machine_code.ts";

export interface StartCode {
  /** e_machine of ELF files for this machine, elf(5). */
  readonly elfMachine: number;
  /** The relocation type that asks the dynamic linker for a symbol's address (R_*_GLOB_DAT). */
  readonly globDat: number;
  readonly lines: readonly Line[];
  readonly setDistance: SetDistance;
}

/** A rule about the variables whose `NAME=value` begins with `prefix`. */
export interface Rule {
  readonly prefix: string;
  readonly keep: boolean;
}

/** What the lists are made from; addresses are those of the ELF file. */
export interface Lists {
  /** Address of the lists themselves. */
  readonly address: number;
  /** Address of the slot of the global offset table that will hold the address of `environ`. */
  readonly environSlot: number;
  readonly entry: number;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly rules: readonly Rule[];
}

/** Writes the lists as the code reads them. */
export function encodeLists(lists: Lists): Uint8Array<ArrayBuffer> {
  const utf8 = new TextEncoder();
  const rules = lists.rules.flatMap(({ prefix, keep }) => {
    const letters = utf8.encode(prefix);
    if (letters.length === 0 || letters.length > 255) {
      throw new Error(`a rule cannot be about ${JSON.stringify(prefix)}`);
    }
    return [letters.length, keep ? 1 : 0, ...letters];
  });
  const strings = [...lists.args, ...lists.env].map((text) => utf8.encode(text + "\0"));
  const stringsAt = 24 + 4 * (strings.length + 2) + rules.length + 1;
  const bytes = new Uint8Array(strings.reduce((sum, text) => sum + text.length, stringsAt));
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(lists.environSlot - lists.address), true);
  view.setBigInt64(8, BigInt(lists.entry - lists.address), true);
  view.setBigUint64(16, BigInt(8 * strings.length), true);
  let at = 24, stringAt = stringsAt;
  strings.forEach((text, i) => {
    if (i === lists.args.length) at += 4; // the 0 that ends the arguments
    view.setUint32(at, stringAt, true);
    bytes.set(text, stringAt);
    at += 4;
    stringAt += text.length;
  });
  bytes.set(rules, 24 + 4 * (strings.length + 2));
  return bytes;
}
