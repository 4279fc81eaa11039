import { assert, assertEquals } from "@std/assert";
import { fileNumbers } from "./files.ts";
import { Fifo, told, withFolder } from "./log_fixture.ts";
import type { LogLimits } from "./options.ts";
import { followLog, readLog } from "./read.ts";
import { endOf } from "./reader.ts";
import type { Stream } from "./record.ts";
import { LogWriter } from "./writer.ts";

const SMALL: LogLimits = { maxBytes: 1500, maxFiles: 100 };
const LARGE: LogLimits = { maxBytes: 1e9, maxFiles: 2 };

function write(folder: string, parts: readonly (readonly [Stream, string])[], limits = LARGE): void {
  const writer = new LogWriter(folder, limits);
  for (const [stream, text] of parts) writer.append(stream, new TextEncoder().encode(text));
  writer.close();
}

/** Lines of both streams in turns, parts of them in between. */
const mixed = (count: number) =>
  Array.from({ length: count }, (_, i): [Stream, string][] => [
    [1, `out ${i} `],
    [2, `err ${i}\n`],
    [1, `end ${i}\n`],
  ]).flat();
const lines = (entries: readonly (readonly unknown[])[]) =>
  entries.map(([stream, text]) => (text as string).split(/(?<=\n)/).map((line) => `${stream} ${line}`)).flat();

Deno.test(
  "lines are whole, of one stream each, in the order of their ends, also across files",
  withFolder(async (folder) => {
    write(folder, mixed(200), SMALL);
    const expected = Array.from({ length: 200 }, (_, i) => [`2 err ${i}\n`, `1 out ${i} end ${i}\n`]).flat();
    assertEquals(lines(await told(folder)), expected);
    assertEquals(fileNumbers(folder).length > 3, true);
  }),
);

Deno.test(
  "the last lines are the same as those of the whole log",
  withFolder(async (folder) => {
    write(folder, [...mixed(120), [2, "the only line\n"], [1, "no end"]], SMALL);
    const all = lines(await told(folder));
    for (const tail of [0, 1, 2, 3, 5, 50, 200, all.length - 1, all.length, all.length + 1, 1e6]) {
      assertEquals(lines(await told(folder, { tail })), tail === 0 ? [] : all.slice(-tail), `${tail}`);
    }
  }),
);

Deno.test(
  "a line whose beginning was rotated away is left out",
  withFolder(async (folder) => {
    write(folder, [[1, `${"x".repeat(3000)}\n`], [1, "whole\n"]], { maxBytes: 1500, maxFiles: 2 });
    assertEquals(fileNumbers(folder).length, 2);
    assertEquals(await told(folder), [[1, "whole\n"]]);
  }),
);

Deno.test(
  "long lines are told in parts and lose nothing",
  withFolder(async (folder) => {
    const long = "0123456789".repeat(50_000);
    write(folder, [[1, "a\n"], [1, long], [2, "b\n"], [1, long], [1, "\nc\n"]]);
    const entries = await told(folder);
    const text = (stream: number) => entries.filter(([s]) => s === stream).map(([, text]) => text).join("");
    assert(text(1) === `a\n${long}${long}\nc\n`);
    assertEquals(text(2), "b\n");
    assertEquals(lines(await told(folder, { tail: 1 })), ["1 c\n"]);
    // Lines count where they begin.
    const three = await told(folder, { tail: 3 });
    assert(three.filter(([stream]) => stream === 1).map(([, text]) => text).join("") === `${long}${long}\nc\n`);
  }),
);

Deno.test(
  "lines are chosen by their times, also where the clock was set back",
  withFolder(async (folder) => {
    const writer = new LogWriter(folder, LARGE);
    const tail = `${folder}/tail`;
    // A tail has the time that its file has.
    for (const [seconds, text] of [[100, "a\n"], [300, "b\n"], [200, "c\n"], [400, "d"], [500, "e\nf\n"]] as const) {
      Deno.writeTextFileSync(tail, text);
      Deno.utimeSync(tail, seconds, seconds);
      writer.appendTail(1, tail);
    }
    writer.close();
    const chosen = async (since?: number, until?: number, tail?: number) =>
      (await told(folder, {
        since: since === undefined ? undefined : BigInt(since) * 1_000_000_000n,
        until: until === undefined ? undefined : BigInt(until) * 1_000_000_000n,
        tail,
      })).map(([, text]) => text).join("");
    assertEquals(await chosen(), "a\nb\nc\nde\nf\n");
    assertEquals(await chosen(200), "b\nc\nde\nf\n");
    assertEquals(await chosen(undefined, 200), "a\nc\n");
    assertEquals(await chosen(150, 350), "b\nc\n");
    assertEquals(await chosen(450), "f\n");
    assertEquals(await chosen(undefined, 450), "a\nb\nc\nde\n");
    assertEquals(await chosen(undefined, 350, 1), "c\n");
  }),
);

Deno.test(
  "following tells what comes, across files, until the container has ended",
  withFolder(async (folder) => {
    using fifo = new Fifo(`${folder}/stdout`);
    const logs = `${folder}/logs`, writer = new LogWriter(logs, SMALL), ended = new AbortController();
    writer.append(1, new TextEncoder().encode("old 1\nold 2\n"));
    let text = "";
    const prompt = Promise.withResolvers<void>();
    const following = (async () => {
      for await (const item of readLog(logs, { tail: 1, follow: ended.signal })) {
        if (item.type === "lines") text += new TextDecoder().decode(item.bytes);
        if (text.endsWith("prompt> ")) prompt.resolve();
      }
    })();
    let expected = "old 2\n";
    for (let i = 0; i < 300; i++) {
      const line = `line ${i}, which is longer than others are\n`;
      fifo.write(line);
      expected += line;
      await writer.pump(fifo.fd, 1);
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    // What has no end of line is told as well.
    fifo.write("prompt> ");
    await writer.pump(fifo.fd, 1);
    await prompt.promise;
    fifo.write("last\n");
    await writer.pump(fifo.fd, 1);
    ended.abort();
    await following;
    writer.close();
    assertEquals(text, `${expected}prompt> last\n`);
  }),
);

Deno.test(
  "a follower that is slower than rotation is told that it missed something",
  withFolder(async (folder) => {
    const writer = new LogWriter(folder, { maxBytes: 1500, maxFiles: 2 }), ended = new AbortController();
    writer.append(1, new TextEncoder().encode("first\n"));
    const log = readLog(folder, { follow: ended.signal });
    await log.next(); // the start
    assertEquals((await log.next()).value?.type, "lines");
    const line = new TextEncoder().encode("0123456789\n");
    for (let i = 0; i < 1000; i++) writer.append(1, line);
    ended.abort();
    let skippedFiles = 0, text = "";
    for await (const item of log) {
      if (item.type === "start") skippedFiles += item.skippedFiles;
      else if (item.type === "lines") text += new TextDecoder().decode(item.bytes);
    }
    writer.close();
    assertEquals(skippedFiles > 3, true);
    assertEquals(text.replaceAll("0123456789\n", ""), "");
  }),
);

Deno.test(
  "reading from the end on tells only what comes after it",
  withFolder(async (folder) => {
    assertEquals(endOf(`${folder}/none`), { number: 1, offset: 0 });
    const writer = new LogWriter(folder, LARGE);
    writer.append(1, new TextEncoder().encode("before\npart"));
    const from = endOf(folder);
    writer.append(1, new TextEncoder().encode(" of a line\nafter\n"));
    writer.close();
    assertEquals(await told(folder, { from }), [[1, "after\n"]]);
  }),
);

Deno.test(
  "whoever follows reads to the end, even if the container is removed in between",
  withFolder(async (folder) => {
    const logs = `${folder}/logs`, ended = new AbortController();
    const follow = followLog(logs, endOf(logs), ended.signal);
    assertEquals((await follow.next()).value?.type, "start");
    const next = follow.next();
    const writer = new LogWriter(logs, LARGE);
    writer.append(2, new TextEncoder().encode("last words"));
    writer.close();
    Deno.removeSync(logs, { recursive: true });
    const { value } = await next;
    assert(value?.type === "data");
    assertEquals([value.stream, new TextDecoder().decode(value.bytes)], [2, "last words"]);
    ended.abort();
    assertEquals(await follow.next(), { done: true, value: undefined });
    assertEquals(await Array.fromAsync(followLog(`${folder}/gone/logs`, endOf(logs), ended.signal)), []);
  }),
);

Deno.test("a log that is not there has no lines", async () => assertEquals(await told("/nonexistent"), []));

Deno.test(
  "a log that grows as fast as it is read is read to where it ended at first",
  withFolder(async (folder) => {
    write(folder, mixed(50), SMALL);
    const before = await told(folder);
    for (const tail of [undefined, 1000]) {
      const writer = new LogWriter(folder, SMALL), seen: string[] = [];
      for await (const item of readLog(folder, { tail })) {
        if (item.type === "lines") seen.push(new TextDecoder().decode(item.bytes));
        assert(seen.length < 1000, "it does not end");
        writer.append(1, new TextEncoder().encode("more\n"));
      }
      writer.close();
      assertEquals(seen.join("").replaceAll("more\n", ""), before.map(([, text]) => text).join(""));
    }
  }),
);
