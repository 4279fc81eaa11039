/** The settings of a terminal, ioctl_tty(2), termios(3). */
import { TCGETS, TCSETS, TIOCGWINSZ, TIOCSWINSZ } from "./constants.ts";
import { syscall, trySyscall } from "./kernel.ts";

/** The kernel's struct termios: four u32 of flags, the line discipline, then the control characters. */
const TERMIOS_BYTES = 60, IFLAG = 0, OFLAG = 1, CFLAG = 2, LFLAG = 3, VTIME = 17 + 5, VMIN = 17 + 6;
const OPOST = 0x1, ONLCR = 0x4, CSIZE = 0x30, CS8 = 0x30, PARENB = 0x100;
// IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON, and ECHO ECHONL ICANON ISIG IEXTEN.
const RAW_INPUT = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x80 | 0x100 | 0x400, RAW_LOCAL = 0x8 | 0x40 | 0x2 | 0x1 | 0x8000;

/** Whether a descriptor is a terminal. */
export const isTerminal = (fd: number) => trySyscall("ioctl", fd, TCGETS, new Uint8Array(TERMIOS_BYTES)) === 0;

/** A terminal that was put into raw mode. */
export interface RawMode {
  /** Puts it back as it was before; twice does no harm. */
  restore(): void;
  /** Puts it into raw mode again, after somebody else has changed it. */
  again(): void;
}

/**
 * Puts a terminal into raw mode, as cfmakeraw(3) does: every key goes through as it is typed.
 *
 * @throws {SyscallError} if the descriptor is no terminal.
 */
export function makeRaw(fd: number): RawMode {
  const before = new Uint8Array(TERMIOS_BYTES);
  syscall("ioctl", fd, TCGETS, before);
  const raw = before.slice(), flags = new Uint32Array(raw.buffer, 0, 4);
  flags[IFLAG]! &= ~RAW_INPUT;
  flags[OFLAG]! &= ~OPOST;
  flags[LFLAG]! &= ~RAW_LOCAL;
  flags[CFLAG] = flags[CFLAG]! & ~(CSIZE | PARENB) | CS8;
  raw[VMIN] = 1;
  raw[VTIME] = 0;
  syscall("ioctl", fd, TCSETS, raw);
  // A terminal that has been hung up meanwhile needs neither.
  return {
    restore: () => void trySyscall("ioctl", fd, TCSETS, before),
    again: () => void trySyscall("ioctl", fd, TCSETS, raw),
  };
}

/** Lets a terminal's ends of lines through as they are written, without a carriage return. */
export function plainLines(fd: number): void {
  const settings = new Uint8Array(TERMIOS_BYTES);
  syscall("ioctl", fd, TCGETS, settings);
  new Uint32Array(settings.buffer, 0, 4)[OFLAG]! &= ~ONLCR;
  syscall("ioctl", fd, TCSETS, settings);
}

/** A terminal's size in characters; undefined if it is no terminal or does not know. */
export function windowSize(fd: number): { rows: number; columns: number } | undefined {
  const size = new Uint16Array(4);
  if (trySyscall("ioctl", fd, TIOCGWINSZ, new Uint8Array(size.buffer)) < 0) return undefined;
  const [rows = 0, columns = 0] = size;
  return rows && columns ? { rows, columns } : undefined;
}

/** Sets a terminal's size; its foreground process group gets SIGWINCH if that is a change. */
export function setWindowSize(fd: number, { rows, columns }: { rows: number; columns: number }): void {
  trySyscall("ioctl", fd, TIOCSWINSZ, new Uint8Array(new Uint16Array([rows, columns, 0, 0]).buffer));
}
