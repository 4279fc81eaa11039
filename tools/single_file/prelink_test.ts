import { assert, assertEquals, assertThrows } from "@std/assert";
import { Elf } from "./elf.ts";
import { drawAddress, prelink } from "./prelink.ts";

const isX86 = Deno.build.arch === "x86_64";
const BASE = 0x12_3450_0000;
const ET_DYN = 3, ET_EXEC = 2, DT_RELA = 7, DT_RELASZ = 8, DT_INIT_ARRAY = 25;
const word = (bytes: Uint8Array<ArrayBuffer>, at: number) =>
  Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true));

Deno.test({
  name: "an executable gets an address, and what depended on it is written down",
  ignore: !isX86,
  fn: () => {
    const before = Deno.readFileSync(Deno.execPath()), after = before.slice();
    prelink(after, BASE);
    const [old, elf] = [new Elf(before), new Elf(after)];
    assertEquals([before[16], after[16]], [ET_DYN, ET_EXEC]);
    assertEquals(elf.entry, old.entry + BASE);
    assertEquals(elf.freeAddress, old.freeAddress + BASE);
    const [oldTags, tags] = [old.dynamic(), elf.dynamic()];
    assertEquals(word(after, tags.get(DT_RELA)!), word(before, oldTags.get(DT_RELA)!) + BASE);

    // The first function that is called at the start: a relocation for it was there, and is not any more.
    const slot = word(before, oldTags.get(DT_INIT_ARRAY)!);
    const relocations = (of: Elf, bytes: Uint8Array<ArrayBuffer>) => {
      const begin = of.offsetOf(word(bytes, of.dynamic().get(DT_RELA)!));
      return Array.from(
        { length: word(bytes, of.dynamic().get(DT_RELASZ)!) / 24 },
        (_, i) => [word(bytes, begin + 24 * i), word(bytes, begin + 24 * i + 8), word(bytes, begin + 24 * i + 16)],
      );
    };
    const was = relocations(old, before).find(([place]) => place === slot)!;
    assertEquals(word(after, elf.offsetOf(slot + BASE)), was[2]! + BASE);
    const left = relocations(elf, after);
    assert(left.length > 0 && left.every(([, info]) => info !== 8), "relative relocations are gone");
    assertEquals(
      left,
      relocations(old, before).filter(([, info]) => info !== 8).map(([place, ...rest]) => [place! + BASE, ...rest]),
    );
  },
});

Deno.test({
  name: "an executable with relocations that are not known stays as it was",
  ignore: !isX86,
  fn: () => {
    const bytes = Deno.readFileSync(Deno.execPath()), elf = new Elf(bytes);
    const R_X86_64_IRELATIVE = 37;
    bytes[elf.offsetOf(word(bytes, elf.dynamic().get(DT_RELA)!)) + 8] = R_X86_64_IRELATIVE;
    const before = bytes.slice();
    assertThrows(() => prelink(bytes, BASE), Error, "an entry or a relocation of an unknown type (37)");
    assert(before.every((byte, i) => bytes[i] === byte));
  },
});

Deno.test("addresses are drawn, and fit for pages of any size", () => {
  const drawn = Array.from({ length: 100 }, drawAddress);
  assert(new Set(drawn).size > 90);
  for (const address of drawn) assert(address % 0x10000 === 0 && address >= 2 ** 32 && address < 2 ** 37);
});
