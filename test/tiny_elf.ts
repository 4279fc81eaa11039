/** The smallest programs there are, for containers that hold nothing else: static ELF files of a few instructions, elf(5). */

/** e_machine by the architecture's name. */
export const MACHINES = { x86_64: 62, aarch64: 183 } as const;
export type Architecture = keyof typeof MACHINES;

/** The architecture of this machine. */
export const here = Deno.build.arch as Architecture;
/** The other one, whose programs this machine cannot execute. */
export const elsewhere: Architecture = here === "x86_64" ? "aarch64" : "x86_64";

/** `exit(geteuid())`. */
const EXIT_WITH_EUID: Record<Architecture, number[]> = {
  // mov eax, 107 (geteuid); syscall; mov edi, eax; mov eax, 60 (exit); syscall
  x86_64: [0xb8, 107, 0, 0, 0, 0x0f, 0x05, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 0x05],
  // mov x8, #175 (geteuid); svc #0; mov x8, #93 (exit); svc #0
  aarch64: [0xe8, 0x15, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4],
};

/**
 * A program whose exit status is its effective user id, modulo 256.
 *
 * @param interpreter a loader that the file asks for, PT_INTERP.
 */
export function tinyElf(architecture: Architecture = here, interpreter?: string): Uint8Array<ArrayBuffer> {
  const HEADER = 64, ENTRY = 56, BASE = 0x400000, count = interpreter === undefined ? 1 : 2;
  const code = EXIT_WITH_EUID[architecture],
    loader = new TextEncoder().encode(interpreter === undefined ? "" : `${interpreter}\0`);
  const codeAt = HEADER + ENTRY * count, size = codeAt + code.length + loader.length;
  const bytes = new Uint8Array(size), view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, MACHINES[architecture], true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(BASE + codeAt), true); // e_entry
  view.setBigUint64(32, BigInt(HEADER), true); // e_phoff
  view.setUint16(52, HEADER, true);
  view.setUint16(54, ENTRY, true);
  view.setUint16(56, count, true);
  const segment = (i: number, type: number, flags: number, offset: number, length: number) => {
    const at = HEADER + ENTRY * i;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(BASE + offset), true);
    view.setBigUint64(at + 24, BigInt(BASE + offset), true);
    view.setBigUint64(at + 32, BigInt(length), true);
    view.setBigUint64(at + 40, BigInt(length), true);
    view.setBigUint64(at + 48, type === 1 ? 0x1000n : 1n, true);
  };
  if (interpreter !== undefined) segment(0, 3, 4, codeAt + code.length, loader.length); // PT_INTERP
  segment(count - 1, 1, 5, 0, size); // PT_LOAD, readable and executable
  bytes.set(code, codeAt);
  bytes.set(loader, codeAt + code.length);
  return bytes;
}
