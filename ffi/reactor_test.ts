import { assert, assertEquals, assertThrows } from "@std/assert";
import { O_CLOEXEC, O_NONBLOCK } from "./constants.ts";
import { SyscallError } from "./errors.ts";
import { close, syscall, trySyscall } from "./kernel.ts";
import { readable, writable } from "./reactor.ts";

/** A pipe whose ends do not block. */
function pipe(): [reader: number, writer: number] {
  const ends = new Int32Array(2);
  syscall("pipe2", ends, O_CLOEXEC | O_NONBLOCK);
  return [ends[0]!, ends[1]!];
}
const put = (fd: number, text = "x") => syscall("write", fd, new TextEncoder().encode(text), text.length);
const take = (fd: number) => trySyscall("read", fd, new Uint8Array(4096), 4096);
const later = (milliseconds = 5) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
/** Stands still without giving the event loop a turn. */
const sleep = (milliseconds: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);

/** A test with a pipe, which is closed behind it. */
function pipeTest(name: string, fn: (reader: number, writer: number) => Promise<void>) {
  Deno.test(name, async () => {
    const [reader, writer] = pipe();
    try {
      await fn(reader, writer);
    } finally {
      close(reader);
      close(writer);
    }
  });
}

pipeTest("readable waits until there is something to read", async (reader, writer) => {
  let ready: boolean | undefined;
  const waiting = readable(reader).then((r) => ready = r);
  await later();
  assertEquals(ready, undefined);
  put(writer);
  assertEquals(await waiting, true);
  assertEquals(take(reader), 1);
});

pipeTest(
  "readable resolves at once when something is there already, as often as it is asked",
  async (reader, writer) => {
    put(writer);
    for (let i = 0; i < 3; i++) assertEquals(await readable(reader), true);
  },
);

pipeTest("writable waits until a full pipe has room", async (reader, writer) => {
  assertEquals(await writable(writer), true);
  const block = new Uint8Array(65536);
  while (trySyscall("write", writer, block, block.length) > 0);
  let ready = false;
  const waiting = writable(writer).then(() => ready = true);
  await later();
  assertEquals(ready, false);
  while (take(reader) > 0);
  await waiting;
});

Deno.test("readable resolves when the other end is closed, and the read tells", async () => {
  const [reader, writer] = pipe();
  const waiting = readable(reader);
  await later(1);
  close(writer);
  assertEquals([await waiting, take(reader)], [true, 0]);
  close(reader);
});

Deno.test("writable resolves when the other end is closed", async () => {
  const [reader, writer] = pipe();
  const block = new Uint8Array(65536);
  while (trySyscall("write", writer, block, block.length) > 0);
  const waiting = writable(writer);
  close(reader);
  assertEquals(await waiting, true);
  close(writer);
});

pipeTest("an abort ends the wait with false, and the descriptor can be waited for again", async (reader, writer) => {
  const controller = new AbortController();
  const waiting = readable(reader, controller.signal);
  await later(1);
  controller.abort();
  assertEquals(await waiting, false);
  assertEquals(await readable(reader, controller.signal), false, "aborted already");
  const again = readable(reader, new AbortController().signal);
  put(writer);
  assertEquals(await again, true);
});

pipeTest("an abort of one leaves the others waiting", async (reader, writer) => {
  const [other, otherWriter] = pipe(), controller = new AbortController();
  const first = readable(reader, controller.signal), second = readable(other);
  controller.abort();
  assertEquals(await first, false);
  put(otherWriter);
  assertEquals(await second, true);
  close(other);
  close(otherWriter);
  put(writer);
});

pipeTest("an event of a wait that was given up does not end the next wait", async (reader, writer) => {
  const controller = new AbortController();
  const first = readable(reader, controller.signal);
  await later(); // the thread waits in the kernel now
  put(writer);
  sleep(20); // it has come back with the event, which is queued behind us
  controller.abort();
  assertEquals(take(reader), 1);
  let ready = false;
  const second = readable(reader).then(() => ready = true);
  assertEquals(await first, false);
  await later(10);
  assertEquals(ready, false, "nothing is there to read");
  put(writer);
  await second;
});

pipeTest("one descriptor has one waiter at a time", async (reader, writer) => {
  const waiting = readable(reader);
  assertThrows(() => readable(reader), Error, `descriptor ${reader} is waited for already`);
  put(writer);
  assertEquals(await waiting, true);
});

Deno.test("regular files and folders are always ready", async () => {
  for (const path of [import.meta.filename!, import.meta.dirname!]) {
    const fd = syscall("openat", -100, path, O_CLOEXEC);
    assertEquals([await readable(fd), await writable(fd)], [true, true]);
    close(fd);
  }
});

Deno.test("a descriptor that is not open is an error, and nobody waits", () => {
  const error = assertThrows(() => readable(99_999), SyscallError);
  assertEquals(error.message, "epoll_ctl descriptor 99999: bad file descriptor (EBADF)");
});

Deno.test("a thousand descriptors are waited for at once", async () => {
  const pipes = Array.from({ length: 1000 }, pipe);
  const done: number[] = [];
  const all = Promise.all(pipes.map(([reader], i) => readable(reader).then(() => done.push(i))));
  await later(1);
  const order = pipes.map((_, i) => (i * 7919) % 1000);
  for (const i of order) put(pipes[i]![1]);
  await all;
  assertEquals(done.toSorted((a, b) => a - b), pipes.map((_, i) => i));
  for (const ends of pipes) ends.forEach(close);
});

/** Runs a script in a Deno of its own and returns its output; killed after ten seconds. */
async function run(script: string) {
  const signal = AbortSignal.timeout(10_000);
  const head = `import { readable } from ${JSON.stringify(import.meta.resolve("./reactor.ts"))};
    import { syscall } from ${JSON.stringify(import.meta.resolve("./kernel.ts"))};
    const ends = new Int32Array(2); syscall("pipe2", ends, 0o2000000);`;
  const command = new Deno.Command(Deno.execPath(), { args: ["eval", head + script], signal, stderr: "inherit" });
  const { success, stdout } = await command.output();
  assert(success, "the process does not exit by itself");
  return new TextDecoder().decode(stdout);
}

Deno.test("a process that waits no longer exits by itself", async () => {
  const output = await run(`
    const controller = new AbortController();
    const waiting = readable(ends[0], controller.signal);
    setTimeout(() => controller.abort(), 5);
    console.log(await waiting);`);
  assertEquals(output, "false\n");
});

Deno.test("a process lives as long as somebody waits", async () => {
  const output = await run(`
    setTimeout(() => syscall("write", ends[1], new Uint8Array(1), 1), 20);
    readable(ends[0]).then((ready) => console.log(ready));`);
  assertEquals(output, "true\n");
});

Deno.test("a process can exit while somebody waits", async () => {
  assertEquals(await run(`readable(ends[0]); setTimeout(() => Deno.exit(0), 5);`), "");
});
