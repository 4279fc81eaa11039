/**
 * Does at build time what the dynamic linker would do at each start: gives the `deno` executable a fixed address, and writes
 * down the 158,853 addresses in it that depend on that (R_X86_64_RELATIVE). The linker has to change 630 pages for them, so
 * that the kernel copies each: 4 ms of the 20 ms of processor time of an empty program. Fixed, most are never touched.
 *
 * What is lost is that the kernel draws another address for each start. So the build draws one, of two million: who has not
 * read the file does not know it, and what runs in a container cannot. The stack, the libraries, V8's heap and the code
 * that it compiles stay where the kernel and V8 draw them anew.
 */
import { Elf, SEGMENT_ALIGNMENT } from "./elf.ts";

const ET_EXEC = 2, DF_1_NOW = 1, DF_1_PIE = 0x08000000, PT_GNU_STACK = 0x6474e551;
const DT_RELA = 7, DT_RELASZ = 8, DT_RELACOUNT = 0x6ffffff9, DT_JMPREL = 23, DT_PLTRELSZ = 2, DT_FLAGS_1 = 0x6ffffffb;
/** Entries of the dynamic section that are addresses, and those that are not. Others are not known, and refused. */
const ADDRESSES = new Set([3, 5, 6, DT_RELA, 12, 13, DT_JMPREL, 25, 26, 0x6ffffef5, 0x6ffffff0, 0x6ffffffe]);
const OTHERS = new Set([
  0,
  1,
  DT_PLTRELSZ,
  DT_RELASZ,
  9,
  10,
  11,
  14,
  20,
  21,
  24,
  27,
  28,
  30,
  DT_RELACOUNT,
  DT_FLAGS_1,
  0x6fffffff,
]);
/** Relocations by the value of a symbol, whose addends are no addresses: R_X86_64_64, GLOB_DAT, JUMP_SLOT. */
const BY_SYMBOL = new Set([1, 6, 7]);
const R_RELATIVE = 8, EM_X86_64 = 62;
const RELA_BYTES = 24, SYMBOL_BYTES = 24, SHT_DYNSYM = 11, STT_TLS = 6, SHN_ABS = 0xfff1;

/** Above what a program of 32 bits could use, and far below what the kernel and V8 choose from. */
const LOWEST = 2 ** 32, HIGHEST = 2 ** 37;

/** An address for an executable, drawn at random. */
export function drawAddress(): number {
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  return LOWEST + random! % ((HIGHEST - LOWEST) / SEGMENT_ALIGNMENT) * SEGMENT_ALIGNMENT;
}

/**
 * Gives a position-independent executable the address `base`, in its bytes.
 *
 * @throws {Error} if it has something of which it is not known whether it depends on the address. The bytes are as they were.
 */
export function prelink(bytes: Uint8Array<ArrayBuffer>, base: number): void {
  const elf = new Elf(bytes), view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const get = (at: number) => Number(view.getBigUint64(at, true));
  const set = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  const move = (at: number) => set(at, get(at) + base);
  const tags = elf.dynamic();
  const value = (tag: number) => {
    const at = tags.get(tag);
    if (at === undefined) throw new Error(`its dynamic section has no entry ${tag}`);
    return get(at);
  };
  /** Where the relocations of a table are. */
  const table = (start: number, size: number) => {
    const offset = elf.offsetOf(start);
    return Array.from({ length: size / RELA_BYTES }, (_, i) => offset + i * RELA_BYTES);
  };
  const typeOf = (at: number) => view.getUint32(at + 8, true);

  const rela = table(value(DT_RELA), value(DT_RELASZ)), plt = table(value(DT_JMPREL), value(DT_PLTRELSZ));
  const symbols = elf.section(SHT_DYNSYM);
  const unknown = [...tags.keys()].find((tag) => !ADDRESSES.has(tag) && !OTHERS.has(tag)) ??
    [...rela, ...plt].map(typeOf).find((type) => type !== R_RELATIVE && !BY_SYMBOL.has(type));
  if (elf.machine !== EM_X86_64 || unknown !== undefined || plt.some((at) => typeOf(at) === R_RELATIVE)) {
    throw new Error(`it has an entry or a relocation of an unknown type (${unknown})`);
  }
  // Otherwise slots of functions hold addresses that no relocation tells of.
  if ((value(DT_FLAGS_1) & DF_1_NOW) === 0) throw new Error("it is not linked at its start");
  const relative = rela.filter((at) => typeOf(at) === R_RELATIVE).map((at) =>
    [elf.offsetOf(get(at)), get(at + 16)] as const
  );

  for (const [at, address] of relative) set(at, address + base);
  // What remains to be relocated moves to the table's beginning.
  let to = rela[0]!, left = 0;
  for (const at of rela) {
    if (typeOf(at) === R_RELATIVE) continue;
    bytes.copyWithin(to, at, at + RELA_BYTES);
    move(to);
    to += RELA_BYTES;
    left += RELA_BYTES;
  }
  plt.forEach(move);
  set(tags.get(DT_RELASZ)!, left);
  if (tags.has(DT_RELACOUNT)) set(tags.get(DT_RELACOUNT)!, 0);
  for (let at = symbols.offset; at < symbols.offset + symbols.size; at += SYMBOL_BYTES) {
    const section = view.getUint16(at + 6, true), type = bytes[at + 4]! & 15;
    if (section !== 0 && section !== SHN_ABS && type !== STT_TLS) move(at + 8);
  }
  for (const [tag, at] of tags) if (ADDRESSES.has(tag)) move(at);
  set(tags.get(DT_FLAGS_1)!, value(DT_FLAGS_1) & ~DF_1_PIE);
  for (const { at, type } of elf.headers) {
    if (type === PT_GNU_STACK) continue; // it has no place
    move(at + 16);
    move(at + 24);
  }
  move(24); // the entry point
  view.setUint16(16, ET_EXEC, true);
}
