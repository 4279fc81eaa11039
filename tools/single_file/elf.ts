/** What tools/single_file must know about an ELF file, and how it adds a segment to one. See elf(5). */

const PT_LOAD = 1, PT_DYNAMIC = 2, PT_NOTE = 4;
const DT_STRTAB = 5, DT_SYMTAB = 6, DT_RELA = 7, DT_RELASZ = 8;
const PF_X = 1, PF_R = 4;
const ET_EXEC = 2, ET_DYN = 3;

/** The largest page of the machines that we know; segments begin at multiples of it. */
export const SEGMENT_ALIGNMENT = 0x10000;

interface ProgramHeader {
  /** Where the header itself is in the file. */
  readonly at: number;
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

/** A 64-bit little-endian ELF executable in memory. */
export class Elf {
  readonly #view: DataView<ArrayBuffer>;
  readonly headers: readonly ProgramHeader[];

  /** Throws if the bytes are no 64-bit executable. */
  constructor(readonly bytes: Uint8Array<ArrayBuffer>) {
    const view = this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const [ELF64, LITTLE_ENDIAN] = [2, 1];
    if (
      bytes.length < 64 || view.getUint32(0) !== 0x7f454c46 || bytes[4] !== ELF64 || bytes[5] !== LITTLE_ENDIAN ||
      ![ET_EXEC, ET_DYN].includes(view.getUint16(16, true))
    ) throw new Error("it is no 64-bit ELF executable");
    this.headers = Array.from({ length: view.getUint16(56, true) }, (_, i) => {
      const at = this.#u64(32) + i * view.getUint16(54, true);
      return {
        at,
        type: view.getUint32(at, true),
        offset: this.#u64(at + 8),
        address: this.#u64(at + 16),
        fileSize: this.#u64(at + 32),
        memorySize: this.#u64(at + 40),
      };
    });
  }

  #u64(at: number): number {
    return Number(this.#view.getBigUint64(at, true));
  }

  /** Whether it is loaded where its headers say. */
  get isFixed(): boolean {
    return this.#view.getUint16(16, true) === ET_EXEC;
  }

  /** e_machine. */
  get machine(): number {
    return this.#view.getUint16(18, true);
  }

  get entry(): number {
    return this.#u64(24);
  }

  /** The first address behind all segments where a new one can be. */
  get freeAddress(): number {
    const end = Math.max(...this.headers.filter((h) => h.type === PT_LOAD).map((h) => h.address + h.memorySize));
    return Math.ceil(end / SEGMENT_ALIGNMENT) * SEGMENT_ALIGNMENT;
  }

  /** Where in the file the byte is that will be at `address`. */
  offsetOf(address: number): number {
    const header = this.headers.find((h) =>
      h.type === PT_LOAD && address >= h.address && address < h.address + h.fileSize
    );
    if (!header) throw new Error(`no segment holds address 0x${address.toString(16)}`);
    return header.offset + address - header.address;
  }

  /** The entries of the dynamic section: where in the file the value of each is, by its tag. */
  dynamic(): Map<number, number> {
    const dynamic = this.headers.find((h) => h.type === PT_DYNAMIC);
    if (!dynamic) throw new Error("it is not dynamically linked");
    const tags = new Map<number, number>();
    for (let at = dynamic.offset; at < dynamic.offset + dynamic.fileSize; at += 16) tags.set(this.#u64(at), at + 8);
    return tags;
  }

  /** Where in the file the first section of a type is. */
  section(type: number): { offset: number; size: number } {
    for (let i = 0, at = this.#u64(40); i < this.#view.getUint16(60, true); i++, at += 64) {
      if (this.#view.getUint32(at + 4, true) === type) return { offset: this.#u64(at + 24), size: this.#u64(at + 32) };
    }
    throw new Error(`it has no section of type ${type}`);
  }

  /** The address of the slot that the dynamic linker fills with the address of `symbol`, by a relocation of this type. */
  slotOf(symbol: string, relocationType: number): number {
    const tags = this.dynamic();
    const value = (tag: number) => tags.has(tag) ? this.#u64(tags.get(tag)!) : 0;
    const table = (tag: number) => this.offsetOf(value(tag));
    const [names, symbols, relocations] = [table(DT_STRTAB), table(DT_SYMTAB), table(DT_RELA)];
    const wanted = new TextEncoder().encode(symbol + "\0");
    for (let at = relocations; at < relocations + value(DT_RELASZ); at += 24) {
      if (this.#view.getUint32(at + 8, true) !== relocationType) continue;
      const name = names + this.#view.getUint32(symbols + 24 * this.#view.getUint32(at + 12, true), true);
      if (wanted.every((letter, i) => this.bytes[name + i] === letter)) return this.#u64(at);
    }
    throw new Error(`it does not import ${symbol}`);
  }

  /**
   * Makes the last note (which nothing reads) a segment that is loaded, readable and executable, and the entry point its
   * first byte. Both `offset` in the file and `address` must be multiples of SEGMENT_ALIGNMENT.
   */
  addSegment(offset: number, address: number, size: number): void {
    // The kernel and the dynamic linker want loaded segments in the order of their addresses: a note in front of the last
    // of them would not do.
    const lastLoad = Math.max(...this.headers.filter((h) => h.type === PT_LOAD).map((h) => h.at));
    const note = this.headers.findLast((h) => h.type === PT_NOTE && h.at > lastLoad);
    if (!note) throw new Error("it has no note behind its loaded segments to put ours in place of");
    this.#view.setUint32(note.at, PT_LOAD, true);
    this.#view.setUint32(note.at + 4, PF_R | PF_X, true);
    [offset, address, address, size, size, SEGMENT_ALIGNMENT].forEach((value, i) =>
      this.#view.setBigUint64(note.at + 8 + 8 * i, BigInt(value), true)
    );
    this.#view.setBigUint64(24, BigInt(address), true);
  }
}
