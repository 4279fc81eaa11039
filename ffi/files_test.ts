import { assertEquals, assertThrows } from "@std/assert";
import {
  AT_FDCWD,
  LOCK_EX,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from "./constants.ts";
import { Errno, MiniError, SyscallError } from "./errors.ts";
import { compareBytes, readDirectory, readlinkAt, statAt, tryStatAt, xattrsAt } from "./file_info.ts";
import * as files from "./files.ts";

function withFolder(test: (fd: number, path: string) => void): void {
  const path = Deno.makeTempDirSync();
  const fd = files.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  try {
    test(fd, path);
  } finally {
    files.closeFd(fd);
    Deno.removeSync(path, { recursive: true });
  }
}
const bytes = (text: string) => new TextEncoder().encode(text);
function errnoOf(call: () => unknown): number {
  return assertThrows(call, SyscallError).errno;
}

Deno.test("a file is made, written, read, timed and renamed through its folder's descriptor", () =>
  withFolder((dir, path) => {
    const fd = files.openat(dir, "a", O_WRONLY | O_CREAT | O_EXCL, 0o600);
    files.writeAll(fd, bytes("hello"));
    files.fchmod(fd, 0o4755);
    files.utimensat(fd, null, { seconds: 5, nanoseconds: 6 }, { seconds: -7, nanoseconds: 8 });
    files.fsync(fd);
    files.closeFd(fd);
    const info = statAt(dir, "a");
    assertEquals([info.mode, info.size, info.mtime], [0o104755, 5, { seconds: -7, nanoseconds: 8 }]);
    files.renameat2(dir, "a", dir, "b");
    assertEquals(Deno.readTextFileSync(`${path}/b`), "hello");
    assertEquals(tryStatAt(dir, "a"), undefined);
    files.utimensat(dir, "b", { seconds: 0, nanoseconds: files.UTIME_OMIT }, { seconds: 2 ** 33, nanoseconds: 1 });
    assertEquals(statAt(dir, "b").mtime.seconds, 2 ** 33);
    const again = files.openat(dir, "b", O_RDWR);
    const buffer = new Uint8Array(10);
    assertEquals(files.pread(again, buffer, 3), 2);
    assertEquals(files.read(again, buffer), 5);
    files.ftruncate(again, 2);
    assertEquals(files.lseek(again, 0, 2), 2);
    files.closeFd(again);
  }));

Deno.test("names need not be UTF-8", () =>
  withFolder((dir) => {
    const name = new Uint8Array([0x66, 0xff, 0x80]);
    files.mkdirat(dir, name, 0o755);
    files.symlinkat(new Uint8Array([0xfe]), dir, "link");
    assertEquals(readDirectory(dir), [name, bytes("link")]);
    assertEquals(readlinkAt(dir, "link"), new Uint8Array([0xfe]));
    files.unlinkat(dir, name, 0x200);
    assertEquals(files.showPath(name), "f\\xff\\x80");
  }));

Deno.test("a path is resolved as if the root were /, and no link leads out", () =>
  withFolder((dir, path) => {
    files.symlinkat("/etc", dir, "absolute");
    files.symlinkat("../../../../../../etc", dir, "up");
    assertEquals(errnoOf(() => files.openInRoot(dir, "absolute/passwd", O_RDONLY)), Errno.ENOENT);
    assertEquals(errnoOf(() => files.openInRoot(dir, "up/passwd", O_RDONLY)), Errno.ENOENT);
    Deno.mkdirSync(`${path}/etc`);
    Deno.writeTextFileSync(`${path}/etc/passwd`, "mine");
    for (const link of ["absolute", "up"]) {
      const fd = files.openInRoot(dir, `${link}/passwd`, O_RDONLY);
      assertEquals(files.read(fd, new Uint8Array(100)), 4);
      files.closeFd(fd);
    }
  }));

Deno.test("failures tell the call, the errno and the name", () =>
  withFolder((dir) => {
    const error = assertThrows(() => files.openat(dir, "missing", O_RDONLY), SyscallError);
    assertEquals([error.syscall, error.errno, error.path], ["openat", Errno.ENOENT, "missing"]);
    files.mkdirat(dir, "d", 0o700);
    assertEquals(errnoOf(() => files.mkdirat(dir, "d", 0o700)), Errno.EEXIST);
    assertEquals(errnoOf(() => files.unlinkat(dir, "d")), Errno.EISDIR);
    files.symlinkat("d", dir, "l");
    assertEquals(errnoOf(() => files.openat(dir, "l", O_RDONLY | O_NOFOLLOW)), Errno.ELOOP);
    assertEquals(errnoOf(() => files.linkat(dir, "no", dir, "x")), Errno.ENOENT);
    assertEquals(errnoOf(() => files.openat(dir, "x".repeat(5000), O_RDONLY)), Errno.ENAMETOOLONG);
    assertEquals(errnoOf(() => files.openat(dir, new Uint8Array(5000).fill(65), O_RDONLY)), Errno.ENAMETOOLONG);
    assertThrows(() => files.openat(dir, "a\0b", O_RDONLY), MiniError, "NUL");
    assertThrows(() => files.mkdirat(dir, new Uint8Array([65, 0]), 0), MiniError, "NUL");
  }));

Deno.test("hard links, FIFOs and attributes of a user", () =>
  withFolder((dir, path) => {
    files.mknodat(dir, "fifo", 0o010644);
    assertEquals(statAt(dir, "fifo").mode & 0o170000, 0o010000);
    Deno.writeTextFileSync(`${path}/f`, "");
    files.linkat(dir, "f", dir, "g");
    assertEquals(statAt(dir, "g").nlink, 2);
    assertEquals(statAt(dir, "g").ino, statAt(dir, "f").ino);
    assertEquals(xattrsAt(dir, "f"), []);
  }));

Deno.test("a lock held elsewhere is reported, not waited for", () =>
  withFolder((dir) => {
    const one = files.openat(dir, "lock", O_RDWR | O_CREAT, 0o600), two = files.openat(dir, "lock", O_RDWR);
    files.flock(one, LOCK_EX);
    assertEquals(files.tryFlock(two, LOCK_EX), false);
    files.closeFd(one);
    assertEquals(files.tryFlock(two, LOCK_EX), true);
    files.closeFd(two);
  }));

Deno.test("names are ordered by their bytes", () => {
  assertEquals([bytes("b"), bytes("a"), bytes("ab"), bytes("")].sort(compareBytes).map((b) => b.length), [0, 1, 2, 1]);
});
