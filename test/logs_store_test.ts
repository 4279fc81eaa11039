/** The store of logs where it is hurt: its consumer killed, its disk full, more printed than fits. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { resolve } from "@std/path";
import { F_SETFL, O_NOCTTY, O_NONBLOCK, O_RDWR, TIOCGPTPEER, TIOCSPTLCK } from "../ffi/constants.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { LogConsumer } from "../engine/logs/consumer.ts";
import { fileNumbers } from "../engine/logs/files.ts";
import { Fifo, type Told, told } from "../engine/logs/log_fixture.ts";
import { needsProgram, until } from "./harness.ts";

const SCRIPT = resolve(import.meta.dirname!, "logs_consume.ts");
/** How often the consumer is killed. */
const KILLS = Number(Deno.env.get("MINI_TEST_KILLS") ?? 12);

/** A container's state folder with its FIFOs, as the shim leaves them. */
class Place implements Disposable {
  readonly folder = Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "mini-test-logs-" });
  readonly state = `${this.folder}/state`;
  readonly logs: string;
  readonly out: Fifo;
  readonly err: Fifo;
  constructor(logs = "logs") {
    this.logs = `${this.folder}/${logs}`;
    Deno.mkdirSync(this.state);
    this.out = new Fifo(`${this.state}/stdout`);
    this.err = new Fifo(`${this.state}/stderr`);
  }
  [Symbol.dispose](): void {
    this.out[Symbol.dispose]();
    this.err[Symbol.dispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** A consumer in a process of its own. */
class Consuming {
  readonly #child: Deno.ChildProcess;
  #said = "";
  readonly #end: Promise<unknown>;
  constructor(
    place: Place,
    maxBytes: number,
    maxFiles: number,
    { before = [], after = [] }: { before?: readonly string[]; after?: readonly string[] } = {},
  ) {
    const args = [
      ...before,
      Deno.execPath(),
      "run",
      "-A",
      "--no-check",
      SCRIPT,
      place.state,
      place.logs,
      `${maxBytes}`,
      `${maxFiles}`,
      ...after,
    ];
    const child = new Deno.Command(args[0]!, { args: args.slice(1), stdin: "null", stdout: "piped", stderr: "inherit" })
      .spawn();
    this.#child = child;
    this.#end = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of child.stdout) this.#said += decoder.decode(chunk);
    })();
  }
  said(text: string): Promise<unknown> {
    return until(`a consumer that says ${text} (it said: ${this.#said})`, () => this.#said.includes(text));
  }
  async kill(signal: Deno.Signal): Promise<string> {
    this.#child.kill(signal);
    await this.#child.status;
    await this.#end;
    return this.#said;
  }
}

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const textOf = (entries: readonly Told[], stream: number) =>
  entries.flatMap(([kind, text]) => kind === stream ? [text] : []).join("");

/** Writes numbered lines to a FIFO until it is stopped; they are what must be in the log. */
class Numbered {
  #next = 0;
  #rest = new Uint8Array(0);
  stopped = false;
  readonly done: Promise<void>;
  constructor(readonly fifo: { write(bytes: Uint8Array): number }) {
    this.done = this.#run();
  }
  async #run() {
    while (!this.stopped || this.#rest.length > 0) {
      if (this.#rest.length === 0) {
        const lines = Array.from({ length: 1 + Math.random() * 40 }, () => `${this.#next++}\n`);
        this.#rest = new TextEncoder().encode(lines.join(""));
      }
      let written = 0;
      try {
        written = this.fifo.write(this.#rest);
      } catch { /* full: the consumer is not there, or slow */ }
      this.#rest = this.#rest.subarray(written);
      await sleep(Math.random() < 0.3 ? 1 : 0);
    }
  }
  get expected(): string {
    return Array.from({ length: this.#next }, (_, i) => `${i}\n`).join("");
  }
}

Deno.test("a consumer that is killed at any instant loses nothing and doubles nothing", async () => {
  using place = new Place();
  const writers = [new Numbered(place.out), new Numbered(place.err)];
  for (let i = 0; i < KILLS; i++) {
    const consuming = new Consuming(place, 4000, 100_000);
    await consuming.said("consuming");
    await sleep(Math.random() * 15);
    assertEquals(await consuming.kill("SIGKILL"), "consuming\n");
  }
  for (const writer of writers) writer.stopped = true;
  const last = new Consuming(place, 4000, 100_000);
  await last.said("consuming");
  await Promise.all(writers.map(({ done }) => done));
  assertEquals(await last.kill("SIGTERM"), "consuming\nended\n");
  const entries = await told(place.logs);
  writers.forEach(({ expected }, i) => {
    const text = textOf(entries, i + 1);
    assert(expected.length > 10_000);
    assert(text === expected, `stream ${i + 1}: ${text.length} bytes in place of ${expected.length}`);
  });
  assert(fileNumbers(place.logs).length > 5);
});

Deno.test({
  name: "a consumer of a terminal that is killed at any instant loses nothing and doubles nothing",
  // Another process's descriptor is not anybody's.
  ignore: Deno.uid() !== 0,
  fn: async () => {
    using place = new Place();
    const master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
    syscall("ioctl", master, TIOCSPTLCK, new Int32Array(1));
    const slave = syscall("ioctl", master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    syscall("fcntl", slave, F_SETFL, O_NONBLOCK);
    const writer = new Numbered({ write: (bytes) => syscall("write", slave, bytes, bytes.length) });
    const consume = async () => {
      const consuming = new Consuming(place, 4000, 100_000, { after: [`${Deno.pid}`, `${master}`] });
      await consuming.said("consuming");
      return consuming;
    };
    for (let i = 0; i < KILLS; i++) {
      const consuming = await consume();
      await sleep(Math.random() * 15);
      assertEquals(await consuming.kill("SIGKILL"), "consuming\n");
    }
    writer.stopped = true;
    const last = await consume();
    await writer.done;
    assertEquals(await last.kill("SIGTERM"), "consuming\nended\n");
    close(slave);
    close(master);
    const entries = await told(place.logs), expected = writer.expected.replaceAll("\n", "\r\n");
    assert(expected.length > 10_000);
    assert(textOf(entries, 1) === expected, `${textOf(entries, 1).length} bytes in place of ${expected.length}`);
  },
});

Deno.test("one who prints as fast as it can does not keep others waiting", async () => {
  using place = new Place();
  const limits = { maxBytes: 1e6, maxFiles: 2 };
  using quiet = new Place();
  const loud = new Deno.Command("sh", {
    args: ["-c", `exec yes "$(seq -s ' ' 100)" > ${place.state}/stdout`],
    stdin: "null",
  }).spawn();
  const consumers = [place, quiet].map(({ state, logs }) =>
    LogConsumer.open({ stateFolder: state, logFolder: logs, limits })!
  );
  try {
    for (let i = 0; i < 20; i++) {
      quiet.out.write(`line ${i}\n`);
      await until(`line ${i}`, async () => textOf(await told(quiet.logs), 1).endsWith(`line ${i}\n`));
    }
    await until("rotation", () => fileNumbers(place.logs).at(-1)! > 20);
    assertEquals(fileNumbers(place.logs).length, 2);
  } finally {
    loud.kill("SIGKILL");
    await loud.status;
    for (const consumer of consumers) await consumer.end();
  }
});

Deno.test("only one process consumes at a time", async () => {
  using place = new Place();
  const first = new Consuming(place, 1e6, 3);
  await first.said("consuming");
  const second = new Consuming(place, 1e6, 3);
  await second.said("busy");
  assertEquals(await first.kill("SIGTERM"), "consuming\nended\n");
  await second.kill("SIGTERM").catch(() => {}); // it has ended already
});

const asRoot = Deno.uid() === 0 && needsProgram("unshare") === undefined;

Deno.test({
  name: "on a full disk the oldest file goes, then bytes are missing and told, and the container does not wait",
  ignore: !asRoot,
  fn: async () => {
    using place = new Place("disk/logs");
    Deno.mkdirSync(`${place.folder}/disk`);
    // A disk of 1 MB in a mount namespace of the consumer's own, entered by way of its process for looking.
    const script = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"';
    const consuming = new Consuming(place, 400_000, 10, {
      before: ["unshare", "-m", "sh", "-c", script, `${place.folder}/disk`],
    });
    await consuming.said("consuming");
    const line = new TextEncoder().encode(`${"x".repeat(999)}\n`.repeat(50));
    const print = async (bytes: number) => {
      for (let done = 0; done < bytes;) {
        const start = performance.now();
        for (let rest = line; rest.length > 0;) {
          let written = 0;
          try {
            written = place.out.write(rest);
          } catch { /* full for now */ }
          rest = rest.subarray(written);
          if (rest.length > 0) await sleep(1);
          assert(performance.now() - start < 60_000, "the container waits for the disk");
        }
        done += line.length;
      }
    };
    const look = async () => {
      const pid = Number(
        new TextDecoder().decode(
          new Deno.Command("pgrep", { args: ["-f", `${SCRIPT} ${place.state}`] }).outputSync().stdout,
        ).trim().split("\n").at(-1),
      );
      const disk = `/proc/${pid}/root${place.folder}/disk`;
      return { disk, entries: await told(`${disk}/logs`) };
    };
    await print(3_000_000);
    await sleep(50);
    let { disk, entries } = await look();
    // Older files made room: nothing that is left has a hole.
    assertEquals(entries.filter(([kind]) => kind === "gap"), []);
    assert(fileNumbers(`${disk}/logs`)[0]! > 1);
    // Somebody else fills the disk to the last byte, and every file but one has gone.
    Deno.writeTextFileSync(`${disk}/other`, "");
    const fill = () => {
      try {
        for (;;) Deno.writeFileSync(`${disk}/other`, new Uint8Array(4096), { append: true });
      } catch (error) {
        assertMatch((error as Error).message, /No space left/);
      }
    };
    await until("a gap", async () => {
      fill();
      await print(200_000);
      await sleep(20);
      ({ entries } = await look());
      const [kind, missing] = entries.at(-1)!;
      return kind === "gap" && missing as number > 100_000;
    }, 20_000);
    assertEquals(fileNumbers(`${disk}/logs`).length, 1);
    // There is room again: the log goes on after the gap.
    Deno.removeSync(`${disk}/other`);
    place.out.write("after\n");
    await until("the log goes on", async () => {
      ({ entries } = await look());
      return entries.some(([kind, text]) => kind === 1 && (text as string).endsWith("after\n"));
    });
    assertEquals(entries.filter(([kind]) => kind === "gap").length, 1);
    assertEquals(await consuming.kill("SIGTERM"), "consuming\nended\n");
  },
});
