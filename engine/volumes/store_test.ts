import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { MiniError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { Volumes } from "./store.ts";

async function withVolumes(test: (volumes: Volumes) => void | Promise<void>): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "mini-test-" });
  try {
    await test(new Volumes(root));
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

function refuses(body: () => unknown, ...words: string[]): void {
  const { message } = assertThrows(body, MiniError);
  for (const word of words) assertStringIncludes(message, word);
}

const silent = () => {};
const names = (volumes: Volumes) => volumes.list(silent).map(({ name }) => name);

Deno.test("a volume is made once, with what was asked for, and removed with all that it holds", () =>
  withVolumes((volumes) => {
    assertEquals([volumes.get("data"), volumes.list(silent), volumes.sweep()], [undefined, [], 0]);
    const { volume, made } = volumes.make("data", { labels: { a: "b" } });
    assertEquals([made, volume.driver, volume.labels, volume.anonymous], [true, "local", { a: "b" }, false]);
    assertEquals(volumes.get("data"), volume);
    assertEquals(volumes.make("data"), { volume, made: false });
    assertEquals(volumes.make("data", { driver: "local", driverOptions: {} }).made, false);
    assertEquals(Deno.statSync(volumes.data("data")).mode! & 0o7777, 0o755);
    Deno.mkdirSync(`${volumes.data("data")}/a/b`, { recursive: true });
    volumes.make("another");
    assertEquals(names(volumes), ["another", "data"]);
    volumes.remove("data");
    assertEquals([names(volumes), [...Deno.readDirSync(volumes.folder)].length], [["another"], 1]);
    assertThrows(() => volumes.need("data"), MiniError, "No such volume: data");
  }));

Deno.test("names that are none, drivers and options that are not known are refused, and nothing is made", () =>
  withVolumes((volumes) => {
    for (const name of ["", ".", "..", "a", "../x", "a/b", ".new-x", "a\0b", "x".repeat(256)]) {
      refuses(() => volumes.make(name), "not a name for a volume");
      refuses(() => volumes.get(name), "not a name for a volume");
      refuses(() => volumes.remove(name), "not a name for a volume");
    }
    refuses(() => volumes.make("data", { driver: "rexray" }), "rexray", "local");
    refuses(() => volumes.make("data", { driverOptions: { nosuch: "1" } }), "nosuch");
    assertThrows(() => Deno.statSync(volumes.folder), Deno.errors.NotFound);
  }));

Deno.test("a volume that is there is not taken for another one", () =>
  withVolumes((volumes) => {
    volumes.make("data", { driverOptions: { type: "none", device: "/srv", o: "bind" } });
    volumes.make("data", { driverOptions: { o: "bind", device: "/srv", type: "none" } });
    refuses(() => volumes.make("data", { driverOptions: { type: "tmpfs", device: "tmpfs" } }), "other options");
    refuses(() => volumes.make("data", { driver: "nfs" }), "nfs");
    refuses(() => volumes.make("data", { labels: { a: "b" } }), "without the label a=b");
    volumes.make("labelled", { labels: { a: "b", c: "" } });
    assertEquals(volumes.make("labelled", { labels: { c: "" } }).made, false);
  }));

Deno.test("damaged volumes are told of, and keep the others from nothing", () =>
  withVolumes((volumes) => {
    for (const name of ["good", "text", "shape", "newer", "empty", "link", "linked"]) volumes.make(name);
    const write = (name: string, text: string) => Deno.writeTextFileSync(`${volumes.folder}/${name}/volume.json`, text);
    write("text", "{");
    write("shape", JSON.stringify({ version: 1, name: "shape", driver: 1 }));
    write("newer", JSON.stringify({ version: 2 }));
    Deno.removeSync(`${volumes.folder}/empty/volume.json`);
    Deno.removeSync(`${volumes.folder}/link`, { recursive: true });
    Deno.symlinkSync("good", `${volumes.folder}/link`);
    Deno.removeSync(volumes.data("linked"));
    Deno.symlinkSync("/etc", volumes.data("linked"));
    const notes: string[] = [];
    assertEquals(volumes.list((note) => notes.push(note)).map(({ name }) => name), ["good"]);
    assertEquals(notes.length, 6);
    refuses(() => volumes.get("newer"), "newer mini");
    for (const name of ["text", "shape", "empty", "link", "linked"]) refuses(() => volumes.get(name), name, "damaged");
    refuses(() => volumes.make("text"), "damaged");
  }));

Deno.test("what killed commands left is cleared, unless somebody is at work on it", () =>
  withVolumes(async (volumes) => {
    volumes.make("data");
    Deno.mkdirSync(`${volumes.folder}/.new-1/data`, { recursive: true });
    Deno.mkdirSync(`${volumes.folder}/.old-1/data/deep`, { recursive: true });
    assertEquals(volumes.sweep(), 2);
    assertEquals([...Deno.readDirSync(volumes.folder)].map(({ name }) => name), ["data"]);
    const lock = await volumes.lock("data");
    close(lock!);
    assertEquals(await volumes.lock("nosuch"), undefined);
  }));

Deno.test("a volume that others remove and make anew all the time is never taken for a damaged one", () =>
  withVolumes(async (volumes) => {
    const store = new URL("store.ts", import.meta.url);
    const code = `import { Volumes } from ${JSON.stringify(store.href)};
      const volumes = new Volumes(${JSON.stringify(volumes.root)});
      for (let round = 0; round < 60; round++) {
        volumes.make("churn");
        volumes.remove("churn");
      }
      self.postMessage("done");`;
    const worker = new Worker(`data:text/typescript,${encodeURIComponent(code)}`, { type: "module" });
    let done = false, seen = 0;
    worker.onmessage = () => done = true;
    while (!done) {
      for (let looks = 0; looks < 50; looks++) if (volumes.get("churn")) seen++;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    worker.terminate();
    assert(seen > 0);
  }));
