import { assert, assertEquals } from "@std/assert";
import { O_RDWR } from "../../ffi/constants.ts";
import { close, syscall } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { dataPath, fileNumbers, indexPath } from "./files.ts";
import { Fifo, told, withFolder } from "./log_fixture.ts";
import { DEFAULT_LIMITS } from "./options.ts";
import { RECORD_BYTES } from "./record.ts";
import { LogWriter } from "./writer.ts";

const limits = (maxBytes: number, maxFiles: number) => ({ maxBytes, maxFiles });
const open_ = (folder: string, of = DEFAULT_LIMITS) => new LogWriter(`${folder}/logs`, of);

Deno.test(
  "what is in a FIFO is moved to the log, and of each stream it is known which it is",
  withFolder(async (folder) => {
    using out = new Fifo(`${folder}/stdout`), err = new Fifo(`${folder}/stderr`);
    const writer = open_(folder);
    out.write("one\n");
    assertEquals(await writer.pump(out.fd, 1), { bytes: 4, empty: false, ended: false });
    err.write("two\n");
    assertEquals(await writer.pump(err.fd, 2), { bytes: 4, empty: false, ended: false });
    assertEquals(await writer.pump(err.fd, 2), { bytes: 0, empty: true, ended: false });
    writer.append(1, new TextEncoder().encode("three\nfour"));
    writer.close();
    assertEquals(await told(`${folder}/logs`), [[1, "one\n"], [2, "two\n"], [1, "three\nfour"]]);
    assertEquals(Deno.readTextFileSync(dataPath(`${folder}/logs`, 1)), "one\ntwo\nthree\nfour");
  }),
);

for (
  const [name, options] of [
    ["a slow disk is waited for on another thread", { slowMs: 0 }],
    ["a file system without splice gets the same bytes", { canSplice: false }],
  ] as const
) {
  Deno.test(
    name,
    withFolder(async (folder) => {
      using out = new Fifo(`${folder}/stdout`), err = new Fifo(`${folder}/stderr`);
      const writer = new LogWriter(`${folder}/logs`, limits(1e7, 3), options);
      const expected = ["", ""];
      for (let i = 0; i < 50; i++) {
        const lines = `line ${i}\n`.repeat(1 + i * 20);
        for (const [at, fifo] of [out, err].entries()) {
          expected[at] += lines;
          fifo.write(lines);
        }
        await Promise.all([writer.pump(out.fd, 1), writer.pump(err.fd, 2)]);
        if (i % 10 === 0) assertEquals(await writer.pump(out.fd, 1), { bytes: 0, empty: true, ended: false });
      }
      writer.close();
      const entries = await told(`${folder}/logs`);
      for (const stream of [1, 2]) {
        const text = entries.flatMap(([kind, text]) => kind === stream ? [text] : []).join("");
        assert(text === expected[stream - 1], `stream ${stream}: ${text.length} bytes`);
      }
    }),
  );
}

Deno.test(
  "what cannot be written is counted, and told once it can be",
  withFolder(async (folder) => {
    using fifo = new Fifo(`${folder}/stdout`);
    const logs = `${folder}/later/logs`, writer = new LogWriter(logs, limits(1e7, 3));
    fifo.write("nobody\n");
    assertEquals(await writer.pump(fifo.fd, 1), { bytes: 7, empty: false, ended: false });
    writer.append(2, new TextEncoder().encode("reads this\n"));
    Deno.mkdirSync(`${folder}/later`);
    fifo.write("but this\n");
    await writer.pump(fifo.fd, 1);
    writer.close();
    assertEquals(await told(logs), [["gap", 18], [1, "but this\n"]]);
  }),
);

Deno.test(
  "a FIFO that nobody has open for writing any more has ended",
  withFolder(async (folder) => {
    const fifo = new Fifo(`${folder}/stdout`), fd = open(fifo.path, 0o4000);
    const writer = open_(folder);
    fifo.write("last words");
    fifo[Symbol.dispose]();
    assertEquals(await writer.pump(fd, 1), { bytes: 10, empty: false, ended: false });
    assertEquals(await writer.pump(fd, 1), { bytes: 0, empty: true, ended: true });
    writer.close();
    close(fd);
  }),
);

Deno.test(
  "a log is rotated before a file with its index is larger than it may be, and the oldest file goes",
  withFolder(async (folder) => {
    using fifo = new Fifo(`${folder}/stdout`);
    const writer = open_(folder, limits(2000, 3));
    let text = "";
    for (let i = 0; i < 1000; i++) {
      const line = `this is line ${i}\n`;
      text += line;
      fifo.write(line);
      while (!(await writer.pump(fifo.fd, 1)).empty);
    }
    writer.close();
    const numbers = fileNumbers(`${folder}/logs`);
    assertEquals(numbers.length, 3);
    assert(numbers[0]! > 1);
    assertEquals([...Deno.readDirSync(`${folder}/logs`)].length, 6);
    for (const number of numbers) {
      const sizes = [dataPath, indexPath].map((path) => Deno.statSync(path(`${folder}/logs`, number)).size);
      assert(sizes[0]! + sizes[1]! <= 2000, `${sizes}`);
    }
    const [entry, ...others] = await told(`${folder}/logs`);
    assertEquals(others, []);
    assert(text.endsWith(`\n${entry![1]}`), "the last lines, each of them whole");
    assert((entry![1] as string).length > 2000);
  }),
);

Deno.test(
  "a writer goes on where the one before stopped, also when that left a record without bytes",
  withFolder(async (folder) => {
    using fifo = new Fifo(`${folder}/stdout`), err = new Fifo(`${folder}/stderr`);
    let writer = open_(folder);
    fifo.write("a\n");
    await writer.pump(fifo.fd, 1);
    writer.close();
    // As if killed between the record and the bytes.
    const index = indexPath(`${folder}/logs`, 1), bytes = Deno.readFileSync(index);
    const records = bytes.length / RECORD_BYTES - 1;
    const record = bytes.slice((records - 1) * RECORD_BYTES, records * RECORD_BYTES);
    record[0] = 2;
    const fd = open(index, O_RDWR);
    syscall("pwrite64", fd, record, RECORD_BYTES, records * RECORD_BYTES);
    close(fd);
    writer = open_(folder);
    err.write("b\n");
    await writer.pump(err.fd, 2);
    writer.close();
    assertEquals(await told(`${folder}/logs`), [[1, "a\n"], [2, "b\n"]]);
  }),
);

Deno.test(
  "a damaged index costs no bytes: a new writer goes on",
  withFolder(async (folder) => {
    const logs = `${folder}/logs`;
    for (
      const damage of [
        () => Deno.writeFileSync(indexPath(logs, 1), new Uint8Array(500)),
        () => Deno.removeSync(indexPath(logs, 1)),
        () => Deno.writeFileSync(indexPath(logs, 1), crypto.getRandomValues(new Uint8Array(333))),
        () => Deno.truncateSync(dataPath(logs, 1), 2), // the machine was cut off: the index is ahead
      ]
    ) {
      let writer = open_(folder);
      writer.append(1, new TextEncoder().encode("before\n"));
      writer.close();
      damage();
      assertEquals((await told(logs)).length, 1);
      writer = open_(folder);
      writer.append(2, new TextEncoder().encode("after\n"));
      writer.close();
      assertEquals((await told(logs)).find(([stream]) => stream === 2), [2, "after\n"]);
      Deno.removeSync(logs, { recursive: true });
    }
  }),
);

Deno.test(
  "a tail is appended once, however often that was begun",
  withFolder(async (folder) => {
    const tail = `${folder}/tail.stdout`, text = Array.from({ length: 200 }, (_, i) => `line ${i}\n`).join("");
    // Killed after so many bytes: the log has them, and the tail is still there.
    for (const files of [limits(1e6, 3), limits(1024, 100)]) {
      for (const cut of [0, 1, 500, 1000, text.length]) {
        const leave = () => {
          Deno.writeTextFileSync(tail, text);
          Deno.utimeSync(tail, 1e9, 1e9);
        };
        leave();
        let writer = open_(folder, files);
        writer.append(1, new TextEncoder().encode("before\n"));
        writer.appendTail(1, tail);
        writer.close();
        assertEquals(await exists(tail), false);
        const logs = `${folder}/logs`;
        let left = "before\n".length + cut;
        for (const number of fileNumbers(logs)) {
          const keep = Math.min(Deno.statSync(dataPath(logs, number)).size, left);
          left -= keep;
          if (keep > 0) Deno.truncateSync(dataPath(logs, number), keep);
          else for (const path of [dataPath, indexPath]) Deno.removeSync(path(logs, number));
        }
        leave();
        writer = open_(folder, files);
        writer.appendTail(1, tail);
        writer.appendTail(1, tail);
        writer.close();
        assertEquals(await told(logs), [[1, `before\n${text}`]]);
        Deno.removeSync(logs, { recursive: true });
      }
    }
  }),
);

const exists = (path: string) => Deno.lstat(path).then(() => true, () => false);
