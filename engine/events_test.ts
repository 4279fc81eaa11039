import { assert, assertEquals } from "@std/assert";
import { append, emit, emitContainer, eventsFile, olderEventsFile, type StoredEvent } from "./events.ts";
import { readEvents } from "./events_read.ts";

/** A folder of its own for each test. */
async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await body(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const all = (state: string): Promise<StoredEvent[]> => Array.fromAsync(readEvents(state, { until: Date.now() + 1 }));
const actions = async (state: string) => (await all(state)).map((event) => event.Action);

Deno.test("an event has Docker's shape", () =>
  inFolder(async (folder) => {
    const state = `${folder}/not/there/yet`, before = Date.now();
    const container = { id: "abc", name: "web", image: "alpine", config: { labels: { tier: "front" } } };
    emitContainer(state, container, "die", { exitCode: "3" });
    emit(state, { type: "volume", action: "create", id: "data" });
    const [die, create, ...more] = await all(state);
    assertEquals(more, []);
    assertEquals({ ...die, time: 0, timeNano: 0 }, {
      status: "die",
      id: "abc",
      from: "alpine",
      Type: "container",
      Action: "die",
      Actor: { ID: "abc", Attributes: { tier: "front", image: "alpine", name: "web", exitCode: "3" } },
      scope: "local",
      time: 0,
      timeNano: 0,
    });
    assert(die!.timeNano >= before * 1e6 && die!.timeNano <= Date.now() * 1e6 + 1e6);
    assertEquals(die!.time, Math.floor(die!.timeNano / 1e9));
    // As Docker writes them: all digits.
    assert(/"timeNano":[0-9]{19}}/.test(Deno.readTextFileSync(eventsFile(state))));
    assertEquals([create!.Type, create!.status, create!.Actor], ["volume", undefined, { ID: "data", Attributes: {} }]);
  }));

Deno.test("what cannot be written is no failure of what happened", () =>
  inFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    emit(`${folder}/file/state`, { type: "image", action: "pull", id: "alpine" });
    return Promise.resolve();
  }));

Deno.test("a file that has grown is set aside, one older one is kept, and reading goes across both", () =>
  inFolder(async (state) => {
    const line = (n: number) =>
      JSON.stringify({ Action: `${n}`, Actor: { ID: "", Attributes: {} }, timeNano: n }) + "\n";
    for (let n = 10; n < 25; n++) append(state, line(n), 5 * line(10).length);
    assertEquals(await actions(state), ["15", "16", "17", "18", "19", "20", "21", "22", "23", "24"]);
    assertEquals(Deno.readTextFileSync(olderEventsFile(state)).split("\n").length, 6);
  }));

Deno.test("a line that a full disk cut short is passed over", () =>
  inFolder(async (state) => {
    emit(state, { type: "image", action: "pull", id: "alpine" });
    Deno.writeTextFileSync(eventsFile(state), '{"Type":"image","Acti\n"text"\n', { append: true });
    emit(state, { type: "image", action: "push", id: "alpine" });
    assertEquals(await actions(state), ["pull", "push"]);
  }));

Deno.test("whoever follows gets every event once, in order, while files are set aside by several writers", () =>
  inFolder(async (state) => {
    // So few that nothing is thrown away before a follower that is slow can have seen it: less than three files in all.
    const writers = 3, each = 400, limit = 50_000;
    Deno.writeTextFileSync(eventsFile(state), "");
    const source = `
      import { append } from ${JSON.stringify(import.meta.resolve("./events.ts"))};
      const [state, writer] = Deno.args;
      for (let n = 0; n < ${each}; n++) {
        append(state, JSON.stringify({ Action: "go", Actor: { ID: writer, Attributes: { n: String(n) } }, timeNano: 2e18 }) + "\\n", ${limit});
        if (n % 20 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
      }`;
    const last = new Map<string, number>();
    let count = 0;
    const following = (async () => {
      for await (const { Actor } of readEvents(state, { since: 0 })) {
        const n = Number(Actor.Attributes["n"]);
        assertEquals(n, (last.get(Actor.ID) ?? -1) + 1, `writer ${Actor.ID}`);
        last.set(Actor.ID, n);
        if (++count === writers * each) return;
      }
    })();
    const file = `${state}/writer.ts`;
    Deno.writeTextFileSync(file, source);
    const statuses = await Promise.all(
      Array.from({ length: writers }, (_, writer) =>
        new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--no-check", "--no-config", file, state, `${writer}`],
        })
          .output()),
    );
    assertEquals(statuses.map(({ code }) => code), [0, 0, 0], new TextDecoder().decode(statuses[0]!.stderr));
    await following;
    assert(Deno.statSync(olderEventsFile(state)).size >= limit);
  }));

Deno.test("reading ends when the time has come", () =>
  inFolder(async (state) => {
    emit(state, { type: "image", action: "pull", id: "alpine" });
    const range = { since: Date.now() - 1000, until: Date.now() + 400 };
    const reading = Array.fromAsync(readEvents(state, range));
    // No pause before this: however busy the machine is, it comes in time.
    emit(state, { type: "image", action: "tag", id: "alpine" });
    assertEquals((await reading).map((event) => event.Action), ["pull", "tag"]);
    assertEquals(await Array.fromAsync(readEvents(state, { ...range, since: range.until })), []);
  }));
