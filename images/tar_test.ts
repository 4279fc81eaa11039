import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { type TarEntry, TarReader, type TarSink } from "./tar.ts";
import { TAR_END, type TarHeader, tarHeader, tarPadding } from "./tar_write.ts";

const encoder = new TextEncoder();
const text = (bytes: Uint8Array) => Array.from(bytes, (b) => String.fromCharCode(b)).join("");
function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
function archive(...entries: [TarHeader, content?: Uint8Array][]): Uint8Array {
  return concat(
    ...entries.flatMap(([header, content = new Uint8Array()]) => [
      tarHeader({ size: content.length, ...header }),
      content,
      tarPadding(content.length),
    ]),
    TAR_END,
  );
}

interface Read extends Omit<TarEntry, "path" | "linkPath" | "xattrs"> {
  path: string;
  linkPath: string;
  xattrs: [string, string][];
  content: Uint8Array;
  pieces: number[];
  ended: boolean;
}
function readAll(bytes: Uint8Array, pieceLength = bytes.length): Read[] {
  const entries: Read[] = [];
  const sink: TarSink = {
    entry: (entry) =>
      void entries.push({
        ...entry,
        path: text(entry.path),
        linkPath: text(entry.linkPath),
        xattrs: entry.xattrs.map(([name, value]) => [name, text(value)]),
        content: new Uint8Array(Math.min(entry.size, 1 << 20)),
        pieces: [],
        ended: false,
      }),
    data(piece, offset) {
      const entry = entries.at(-1)!;
      entry.content.set(piece, offset);
      entry.pieces.push(offset);
    },
    endOfFile: () => void (entries.at(-1)!.ended = true),
  };
  const reader = new TarReader(sink, "the test");
  for (let at = 0; at < bytes.length; at += pieceLength) reader.write(bytes.subarray(at, at + pieceLength));
  reader.end();
  return entries;
}

Deno.test("what is written is read back, in pieces of any length", () => {
  const long = "d/".repeat(150) + "name";
  const bytes = archive(
    [{
      type: "directory",
      path: "dir/",
      mode: 0o1777,
      uid: 3000000000,
      gid: 7,
      mtime: { seconds: -2, nanoseconds: 750000000 },
    }],
    [
      { type: "file", path: long, mode: 0o4755, xattrs: [["user.a", encoder.encode("x\ny=z")]] },
      encoder.encode("content"),
    ],
    [{
      type: "symlink",
      path: "s",
      linkPath: "t".repeat(300),
      mode: 0o777,
      mtime: { seconds: 2 ** 34, nanoseconds: 1 },
    }],
    [{ type: "hardlink", path: "h", linkPath: "dir/x", mode: 0o600 }],
    [{ type: "char", path: "c", mode: 0o666, major: 1, minor: 3 }],
    [{ type: "block", path: "b", mode: 0o600, major: 259, minor: 1048575 }],
    [{ type: "fifo", path: "f", mode: 0o600 }],
    [{ type: "file", path: new Uint8Array([0xff, 0xfe]), mode: 0 }, new Uint8Array(1024)],
  );
  for (const length of [bytes.length, 1, 7, 511, 512, 513, 4096]) {
    const entries = readAll(bytes, length);
    assertEquals(entries.map((e) => e.type), [
      "directory",
      "file",
      "symlink",
      "hardlink",
      "char",
      "block",
      "fifo",
      "file",
    ]);
    const [dir, file, symlink, hardlink, char, block, , raw] = entries as [
      Read,
      Read,
      Read,
      Read,
      Read,
      Read,
      Read,
      Read,
    ];
    assertEquals([dir.mode, dir.uid, dir.gid, dir.mtime], [0o1777, 3000000000, 7, {
      seconds: -2,
      nanoseconds: 750000000,
    }]);
    assertEquals([file.path, file.mode, text(file.content), file.xattrs], [long, 0o4755, "content", [[
      "user.a",
      "x\ny=z",
    ]]]);
    assertEquals([symlink.linkPath.length, symlink.mtime], [300, { seconds: 2 ** 34, nanoseconds: 1 }]);
    assertEquals(hardlink.linkPath, "dir/x");
    assertEquals([char.major, char.minor, block.major, block.minor], [1, 3, 259, 1048575]);
    assertEquals([raw.path, raw.size, raw.ended], ["\xff\xfe", 1024, true]);
  }
});

/** A ustar header with its checksum set after `change`. */
function header(
  change: (block: Uint8Array) => void,
  base: TarHeader = { type: "file", path: "f", mode: 0o644 },
): Uint8Array {
  const block = tarHeader(base);
  change(block);
  block.fill(0x20, 148, 156);
  block.set(encoder.encode(block.reduce((sum, b) => sum + b, 0).toString(8).padStart(6, "0") + "\0 "), 148);
  return block;
}
const put = (block: Uint8Array, at: number, value: string) => block.set(encoder.encode(value), at);

Deno.test("GNU's long names, base-256 numbers and the prefix of ustar are understood", () => {
  const long = "n".repeat(200), link = "l".repeat(150);
  const meta = (type: string, content: string) =>
    concat(
      header((b) => (b[156] = type.charCodeAt(0)), {
        type: "file",
        path: "././@LongLink",
        mode: 0,
        size: content.length + 1,
      }),
      encoder.encode(content + "\0"),
      tarPadding(content.length + 1),
    );
  const big = header((b) => {
    b.set([0x80, 0, 0, 0, 0, 0, 0xff, 0xff], 108); // user id 65535
    b.set([0xff, ...new Array(10).fill(0xff), 0xfe], 136); // time -2
  });
  const prefixed = header((b) => put(b, 345, "some/folder"));
  const gnu = header((b) => {
    put(b, 257, "ustar  \0");
    put(b, 345, "12345670123");
  });
  const entries = readAll(
    concat(meta("K", link), meta("L", long), header((b) => (b[156] = 0x32)), big, prefixed, gnu, TAR_END),
  );
  assertEquals(entries.map((e) => e.path), [long, "f", "some/folder/f", "f"]);
  assertEquals(entries[0]!.linkPath, link);
  assertEquals([entries[1]!.uid, entries[1]!.mtime.seconds], [65535, -2]);
});

Deno.test("the forms of old programs are forgiven: no end mark, names with a slash, signed checksums", () => {
  const directory = tarHeader({ type: "file", path: "old/", mode: 0o755 });
  assertEquals(readAll(directory)[0]!.type, "directory");
  const signed = tarHeader({ type: "file", path: new Uint8Array([0xe4]), mode: 0o644 });
  const sum = signed.reduce((s, b, i) => s + (i >= 148 && i < 156 ? 32 : b), 0) - 256;
  put(signed, 148, sum.toString(8).padStart(6, "0") + "\0 ");
  assertEquals(readAll(concat(signed, new Uint8Array(512)))[0]!.path, "\xe4");
  assertEquals(readAll(concat(TAR_END, encoder.encode("anything"))), []);
});

Deno.test("files with holes are read in all four forms", () => {
  const content = concat(new Uint8Array(512).fill(65), new Uint8Array(512).fill(66));
  const expected = new Uint8Array(10240);
  expected.fill(65, 1024, 1536);
  expected.fill(66, 4096, 4608);
  const map = [[1024, 512], [4096, 512], [10240, 0]] as const;
  const old = header((b) => {
    b[156] = 0x53;
    map.forEach(([offset, size], i) =>
      put(b, 386 + 24 * i, `${offset.toString(8).padStart(11, "0")}\0${size.toString(8).padStart(11, "0")}\0`)
    );
    put(b, 483, (10240).toString(8).padStart(11, "0") + "\0");
  }, { type: "file", path: "sparse", mode: 0o644, size: 1024 });
  const extended = header((b) => {
    b[156] = 0x53;
    put(b, 386, `${(1024).toString(8).padStart(11, "0")}\0${(512).toString(8).padStart(11, "0")}\0`);
    b[482] = 1;
    put(b, 483, (10240).toString(8).padStart(11, "0") + "\0");
  }, { type: "file", path: "sparse", mode: 0o644, size: 1024 });
  const extension = new Uint8Array(512);
  put(extension, 0, `${(4096).toString(8).padStart(11, "0")}\0${(512).toString(8).padStart(11, "0")}\0`);
  const pax = (records: [string, string][], body: Uint8Array) =>
    concat(tarHeader({ type: "file", path: "GNUSparseFile.1/x", mode: 0o644, size: body.length, records }), body);
  const common: [string, string][] = [["GNU.sparse.name", "sparse"], ["GNU.sparse.size", "10240"]];
  const forms = [
    concat(old, content),
    concat(extended, extension, content),
    pax([
      ...common,
      ["GNU.sparse.numblocks", "3"],
      ...map.flatMap(([o, s]): [string, string][] => [["GNU.sparse.offset", `${o}`], ["GNU.sparse.numbytes", `${s}`]]),
    ], content),
    pax([...common, ["GNU.sparse.numblocks", "3"], ["GNU.sparse.map", map.flat().join(",")]], content),
    pax(
      [["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.name", "sparse"], [
        "GNU.sparse.realsize",
        "10240",
      ]],
      concat(encoder.encode(`3\n${map.flat().join("\n")}\n`.padEnd(512, "\0")), content),
    ),
  ];
  for (const form of forms) {
    for (const length of [form.length, 100, 513]) {
      const [entry, ...more] = readAll(form, length);
      assertEquals(more, []);
      assertEquals([entry!.path, entry!.size, entry!.ended, entry!.pieces[0]], ["sparse", 10240, true, 1024]);
      assert(entry!.content.every((byte, i) => byte === expected[i]));
    }
  }
});

Deno.test("a damaged archive is refused in one sentence", () => {
  const refused = (bytes: Uint8Array, why: string) => {
    const error = assertThrows(() => readAll(bytes), MiniError);
    assert(error.message.startsWith("the test is damaged at byte "), error.message);
    assert(error.message.includes(why), error.message);
  };
  const good = archive([{ type: "file", path: "f", mode: 0o644 }, encoder.encode("abc")]);
  refused(good.with(3, 1), "checksum");
  refused(good.subarray(0, 300), "middle of an entry");
  refused(good.subarray(0, 513), "middle of an entry");
  refused(concat(new Uint8Array(512), good), "end mark");
  refused(header((b) => (b[156] = 0x4d)), "unknown type");
  refused(header((b) => put(b, 124, "99999999999")), "size");
  refused(
    header((b) => b.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 124)),
    "negative",
  );
  refused(
    header((b) => b.set([0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 124)),
    "out of range",
  );
  refused(header((b) => b.set([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 108)), "user id 4294967295 is out of range");
  refused(header((b) => b.set([0x80, 0, 0, 1, 0, 0, 0, 0], 116)), "group id 4294967296 is out of range");
  refused(header((b) => (b[156] = 0x78), { type: "file", path: "x", mode: 0, size: 2 << 20 }), "more than");
  const pax = (body: string) =>
    concat(
      header((b) => (b[156] = 0x78), { type: "file", path: "x", mode: 0, size: body.length }),
      encoder.encode(body),
      tarPadding(body.length),
      good,
    );
  for (const body of ["x", "5 a=b\n", "99 a=b\n", "3 \n\n", "6 abc\n", "-6 a=b\n"]) refused(pax(body), "PAX record");
  refused(pax("12 uid=-123\n"), "uid");
  refused(pax("17 mtime=1e10000\n"), "mtime");
  refused(pax("12 path=a\0b\n"), "NUL");
  refused(pax("13 size=0x10\n"), "size");
});

Deno.test("maps of holes that do not fit are refused", () => {
  const sparse = (map: string, size: string, content = new Uint8Array(512)) =>
    tarHeader({
      type: "file",
      path: "x",
      mode: 0,
      size: content.length,
      records: [["GNU.sparse.map", map], ["GNU.sparse.size", size]],
    });
  for (
    const [map, size] of [["0,512,100,0", "1000"], ["0,1024", "1000"], ["600,512", "1000"], ["0", "10"], [
      "0,511",
      "600",
    ]]
  ) {
    assertThrows(() => readAll(sparse(map!, size!)), MiniError, "sparse file");
  }
  const inData = (map: string) =>
    concat(
      tarHeader({
        type: "file",
        path: "x",
        mode: 0,
        size: 1024,
        records: [["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.realsize", "4096"]],
      }),
      encoder.encode(map.padEnd(1024, "\0")),
    );
  for (const map of ["", "x\n", "99999999\n", "1\n0\n513\n", "2\n0\n256\n0\n256\n", "9".repeat(2000)]) {
    assertThrows(() => readAll(inData(map)), MiniError);
  }
});

/** A generator that gives the same numbers in every run (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

Deno.test("whatever bytes come, the reader ends with entries or one sentence", () => {
  const base = archive(
    [{ type: "directory", path: "d", mode: 0o755, xattrs: [["user.x", encoder.encode("1")]] }],
    [{ type: "file", path: "d/" + "x".repeat(120), mode: 0o644, uid: 9999999 }, new Uint8Array(700)],
    [
      { type: "file", path: "s", mode: 0, records: [["GNU.sparse.map", "0,10,20,10"], ["GNU.sparse.size", "40"]] },
      new Uint8Array(20),
    ],
    [{ type: "hardlink", path: "h", linkPath: "s", mode: 0 }],
  );
  const next = random(Number(Deno.env.get("MINI_FUZZ_SEED") ?? 1));
  const until = performance.now() + Number(Deno.env.get("MINI_FUZZ_SECONDS") ?? 2) * 1000;
  let rounds = 0, refused = 0;
  while (performance.now() < until) {
    const bytes = base.slice(0, next() < 0.2 ? Math.floor(next() * base.length) : base.length);
    const changes = Math.floor(next() * 8);
    for (let i = 0; i < changes && bytes.length > 0; i++) {
      bytes[Math.floor(next() * bytes.length)] = next() < 0.5
        ? Math.floor(next() * 256)
        : "0123456789 =\n\0/.xS".charCodeAt(Math.floor(next() * 18));
    }
    for (let at = 0; at + 512 <= bytes.length && next() < 0.9; at += 512) { // mend checksums, to get further in
      if (text(bytes.subarray(at + 257, at + 262)) !== "ustar") continue;
      bytes.fill(0x20, at + 148, at + 156);
      const sum = bytes.subarray(at, at + 512).reduce((s, b) => s + b, 0);
      bytes.set(encoder.encode(sum.toString(8).padStart(6, "0") + "\0 "), at + 148);
    }
    rounds++;
    try {
      const reader = new TarReader({ entry() {}, data() {}, endOfFile() {} }, "the test");
      for (let at = 0; at < bytes.length;) {
        const length = 1 + Math.floor(next() * 1500);
        reader.write(bytes.subarray(at, at + length));
        at += length;
      }
      reader.end();
    } catch (error) {
      if (!(error instanceof MiniError)) throw error;
      refused++;
    }
  }
  assert(rounds > 100 && refused > 10 && refused < rounds, `${refused} of ${rounds} refused`);
});
