/** Layers made by an attacker: refused or harmless, and nothing outside the layer's folder ever changes. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { digestOf } from "../images/digest.ts";
import type { Store } from "../images/store.ts";
import {
  concat,
  describeTree,
  type Entry,
  isRoot,
  layerTar,
  pieces,
  unpack,
  withFolder,
  withStore,
} from "./images_fixtures.ts";

const options = { ignore: !isRoot };
const DIR = { type: "directory", mode: 0o755 } as const;
const link = (path: string, linkPath: string): Entry => [{ type: "symlink", path, linkPath, mode: 0o777 }];

/** Unpacks entries beside a folder "outside" that must stay as it is. Returns the layer's tree, or the refusal. */
async function attack(entries: (outside: string) => Entry[]): Promise<Map<string, string> | string> {
  return await withFolder((outside) =>
    withStore(async (store) => {
      Deno.writeTextFileSync(`${outside}/victim`, "untouched", { mode: 0o600 });
      Deno.mkdirSync(`${outside}/folder`);
      const before = await describeTree(outside);
      let result: Map<string, string> | string;
      try {
        result = await describeTree(await unpack(store, layerTar(...entries(outside))));
      } catch (error) {
        if (!(error instanceof MiniError)) throw error;
        assert(/^the layer sha256:[0-9a-f]{64} /.test(error.message) && !error.message.includes("\n"), error.message);
        assertNothingLeft(store);
        result = error.message;
      }
      assertEquals(await describeTree(outside), before);
      return result;
    })
  );
}

function assertNothingLeft(store: Store): void {
  for (const folder of ["layers", "ingest"]) assertEquals([...Deno.readDirSync(`${store.folder}/${folder}`)], []);
}

async function refused(why: string, entries: (outside: string) => Entry[]): Promise<void> {
  const result = await attack(entries);
  assert(typeof result === "string", "it was not refused");
  assert(result.includes(why), result);
}

async function harmless(entries: (outside: string) => Entry[], ...expected: string[]): Promise<Map<string, string>> {
  const result = await attack(entries);
  assert(typeof result !== "string", `it was refused: ${result}`);
  for (const path of expected) assert(result.has(path), `${path} is missing of ${[...result.keys()].join(" ")}`);
  return result;
}

Deno.test({
  name: "names with .. that lead out are refused, and those that do not are cleaned",
  ...options,
  fn: async () => {
    await refused("leads out of the root", () => [[{ path: "../victim" }, "x"]]);
    await refused("leads out of the root", () => [[{ path: "a/../../victim" }, "x"]]);
    await refused("leads out of the root", (outside) => [[{ path: `${"../".repeat(20)}${outside}/victim` }, "x"]]);
    await refused("leads out of the root", () => [[{ type: "hardlink", path: "x", linkPath: "../../names.json" }]]);
    await harmless((outside) => [[{ path: `${outside}/victim` }, "x"]]);
    await harmless(() => [[{ path: "a/b/../c" }, "x"], [{ path: "./..x/...y" }, "x"]], "./a/c", "./..x/...y");
  },
});

Deno.test({
  name: "symbolic links are never followed out of the layer, by any kind of entry",
  ...options,
  fn: async () => {
    // A link to the host's folder resolves below the layer's root, where there is nothing.
    await refused("points to nothing", (outside) => [link("out", outside), [{ path: "out/victim" }, "x"]]);
    await refused("points to nothing", () => [link("up", "../../../../../../../nowhere"), [{ path: "up/x" }, "x"]]);
    await refused("leads nowhere", () => [link("a", "b"), link("b", "a"), [{ path: "a/x" }, "x"]]);
    await refused("", () => [link("magic", "/proc/self/cwd"), [{ path: "magic/x" }, "x"]]);
    await refused("", () => [link("magic", "/proc/self/fd/3"), [{ path: "magic/x" }, "x"]]);
    // A link at the end of a name is replaced.
    await harmless((outside) => [link("victim", `${outside}/victim`), [{ path: "victim" }, "x"]], "./victim");
    for (const type of ["fifo", "char", "block", "directory", "symlink"] as const) {
      const tree = await harmless(
        (
          outside,
        ) => [link("victim", `${outside}/victim`), [{
          type,
          path: "victim",
          mode: 0o777,
          uid: 99,
          linkPath: "y",
          xattrs: [["trusted.x", new Uint8Array([1])]],
        }]],
        "./victim",
      );
      assert(tree.get("./victim")!.includes(" 99:0 "));
    }
    // A link to a folder is not taken for the folder.
    await harmless(
      (outside) => [link("d", outside), [{ ...DIR, path: "d", mode: 0o777, uid: 5 }], [{ path: "d/victim" }, "x"]],
      "./d/victim",
    );
    // The link comes after the folder's descriptor is in use.
    const tree = await harmless(
      (
        outside,
      ) => [[{ ...DIR, path: "d" }], [{ path: "d/a" }, "1"], link("d", outside), [{ ...DIR, path: "d", mode: 0o700 }], [
        { path: "d/victim" },
        "2",
      ]],
      "./d/victim",
    );
    assert(!tree.has("./d/a"));
    await refused(
      "points to nothing",
      (outside) => [[{ ...DIR, path: "d" }], [{ path: "d/a" }, "1"], link("d", outside), [{ path: "d/victim" }, "2"]],
    );
    // The times of folders, set at the end, are not set through a link that has taken a folder's place.
    await harmless(
      (
        outside,
      ) => [[{ ...DIR, path: "d/folder", mode: 0o700, mtime: { seconds: 1, nanoseconds: 0 } }], link("d", outside)],
      "./d",
    );
    await harmless(
      (
        outside,
      ) => [link("way", "real"), [{ ...DIR, path: "real" }], [{
        ...DIR,
        path: "way/folder",
        mtime: { seconds: 1, nanoseconds: 0 },
      }], link("way", outside)],
      "./real/folder",
    );
  },
});

Deno.test({
  name: "hard links stay inside of the layer",
  ...options,
  fn: async () => {
    await refused("is not there", (outside) => [[{ type: "hardlink", path: "x", linkPath: `${outside}/victim` }]]);
    await refused(
      "is not there",
      (outside) => [link("out", outside), [{ type: "hardlink", path: "x", linkPath: "out/victim" }]],
    );
    // A link to a link is a name of the link itself, and what is written to it replaces it.
    await harmless(
      (
        outside,
      ) => [link("out", `${outside}/victim`), [{ type: "hardlink", path: "x", linkPath: "out" }], [
        { path: "x" },
        "overwritten",
      ]],
      "./x",
    );
    await refused("is a directory", () => [[{ ...DIR, path: "d" }], [{ type: "hardlink", path: "x", linkPath: "d" }]]);
    await refused("the root itself", () => [[{ type: "hardlink", path: "x", linkPath: "./" }]]);
    await harmless(() => [[{ path: "x" }, "1"], [{ type: "hardlink", path: "x", linkPath: "x" }]], "./x");
    await refused("is not there", () => [[{ path: "x" }, "1"], [{ type: "hardlink", path: "x", linkPath: "y" }]]);
  },
});

Deno.test({
  name: "a device is a node and nothing more, and attributes of overlayfs are left out",
  ...options,
  fn: async () => {
    const attribute = (name: string): [string, Uint8Array] => [name, new TextEncoder().encode("/../../..")];
    await withStore(async (store) => {
      const folder = await unpack(
        store,
        layerTar(
          [{ type: "block", path: "dev/sda", major: 8, minor: 0, mode: 0o666 }],
          [{
            ...DIR,
            path: "d",
            xattrs: ["trusted.overlay.redirect", "trusted.overlay.opaque", "user.overlay.opaque", "security.selinux"]
              .map(attribute),
          }],
          [{
            path: "f",
            xattrs: [
              attribute("trusted.overlay.metacopy"),
              attribute("trusted.overlay.redirect"),
              attribute("user.mine"),
            ],
          }],
        ),
      );
      const { xattrsAt } = await import("../ffi/file_info.ts");
      const { openat, closeFd } = await import("../ffi/files.ts");
      const fd = openat(-100, folder, 0);
      assertEquals([xattrsAt(fd, "d"), xattrsAt(fd, "f").map(([name]) => name)], [[], ["user.mine"]]);
      closeFd(fd);
      assert((await describeTree(folder)).get("./dev/sda")!.startsWith("60666 0:0"));
    });
    await refused("no valid name", () => [[{ path: "f", xattrs: [attribute("nonsense")] }]]);
    await refused("65536", () => [[{ path: "f", xattrs: [["user.x", new Uint8Array(70000)]] }]]);
  },
});

Deno.test({
  name: "entries that make no sense are refused",
  ...options,
  fn: async () => {
    await refused("for the root itself", () => [[{ path: "./" + "." }, "x"]]);
    await refused("for the root itself", () => [link("/", "/etc")]);
    await refused("which is no directory", () => [[{ path: "f" }, "x"], [{ path: "f/below" }, "x"]]);
    await refused("names no file", () => [[{ path: "d/.wh." }]]);
    await refused("names no file", () => [[{ path: "d/.wh..." }]]);
    await refused("too long", () => [[{ path: "n".repeat(300) }]]);
    await refused("too long", () => [[{ path: "n/".repeat(3000) + "x" }]]);
    await refused("points nowhere", () => [link("l", "")]);
    await harmless(() => [[{ path: ".wh..wh.plnk/1.2" }, "aufs"], [{ path: ".wh..wh.aufs" }, "aufs"]]);
    await harmless(() => [[{ path: "a/.wh.x" }], [{ path: "a/.wh.x" }], [{ path: "a/x" }, "wins"]], "./a/x");
  },
});

Deno.test({
  name: "too many entries, too many bytes and bombs are refused, and leave nothing",
  ...options,
  fn: () =>
    withStore(async (store) => {
      const tar = layerTar(...Array.from({ length: 50 }, (_, i): Entry => [{ path: `f${i}` }, "x".repeat(100)]));
      const id = await digestOf(tar);
      for (
        const [limits, why] of [[{ entries: 49 }, "more than 49 entries"], [
          { bytes: 4999 },
          "larger than 4999 bytes",
        ]] as const
      ) {
        await assertRejects(() => store.layers.unpack(id, pieces(tar), { limits }), MiniError, why);
        assertNothingLeft(store);
      }
      // A petabyte of holes takes no room, but everybody who reads it suffers.
      const sparse = layerTar([{
        path: "sparse",
        records: [["GNU.sparse.map", "0,0"], ["GNU.sparse.size", `${2 ** 50}`]],
      }]);
      await assertRejects(() => unpack(store, sparse), MiniError, "larger than");
      assertNothingLeft(store);
      // A bomb, as an entry that is passed over, so that nothing fills the disk.
      const label = layerTar([{ path: "label", size: 6 * 2 ** 30 }]).slice(0, 512);
      label[156] = 0x56; // V: a volume's label, whose content means nothing
      label.fill(0x20, 148, 156);
      label.set(
        new TextEncoder().encode(label.reduce((sum, b) => sum + b, 0).toString(8).padStart(6, "0") + "\0 "),
        148,
      );
      const { createGzip } = await import("node:zlib");
      const gzip = createGzip({ level: 9 });
      const zeros = new Uint8Array(16 << 20);
      const bomb = async function* () {
        const output: Uint8Array[] = [];
        gzip.on("data", (chunk: Uint8Array) => void output.push(chunk));
        for (const [i, part] of [label, ...new Array(40).fill(zeros)].entries()) {
          await new Promise((resolve) => gzip.write(part, resolve));
          assert(i < 20, "the bomb was not noticed");
          for (let chunk; (chunk = output.shift()) !== undefined;) yield chunk;
        }
      };
      const limits = { unsuspiciousBytes: 2 ** 27 };
      await assertRejects(() => store.layers.unpack(id, bomb(), { limits }), MiniError, "which no real layer does");
      gzip.destroy();
      assertNothingLeft(store);
    }),
});

Deno.test({
  name: "a layer with the wrong digest, cut off, or damaged never becomes visible",
  ...options,
  fn: () =>
    withStore(async (store) => {
      const tar = layerTar([{ path: "f" }, "content"], [{ path: "g" }, "content"]);
      const id = await digestOf(tar);
      const tampered = tar.slice();
      tampered[512] = 0x58;
      await assertRejects(() => store.layers.unpack(id, pieces(tampered)), MiniError, "the content of the layer");
      await assertRejects(() => store.layers.unpack(id, pieces(tar.subarray(0, 515))), MiniError, "middle of an entry");
      await assertRejects(
        () => store.layers.unpack(id, pieces(concat(tar, new Uint8Array(512)))),
        MiniError,
        "the content of",
      );
      await assertRejects(() => store.layers.unpack(id, pieces(new Uint8Array())), MiniError, "the content of");
      assertNothingLeft(store);
      assertEquals(store.layers.has(id), false);
      await store.layers.unpack(id, pieces(tar, 1));
      assertEquals(store.layers.has(id), true);
    }),
});

Deno.test({
  name: "folders as deep as an attacker can make them are unpacked and removed",
  ...options,
  fn: () =>
    withStore(async (store) => {
      // Links shorten the way, so the depth is not bounded by the length of a path.
      const entries: Entry[] = [];
      let base = "";
      for (let i = 0; i < 6; i++) {
        const deep = `${base}${"d/".repeat(1500)}`;
        entries.push([{ ...DIR, path: deep }], [{
          type: "symlink",
          path: `l${i}`,
          linkPath: deep.slice(0, -1),
          mode: 0o777,
        }]);
        base = `l${i}/`;
      }
      await unpack(store, layerTar(...entries));
      await store.gc();
      assertNothingLeft(store);
    }),
});

/** A generator that gives the same numbers in every run (mulberry32). */
function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 4294967296 * below);
  };
}

Deno.test({
  name: "whatever entries come in whatever order, nothing outside changes and nothing stays of what is refused",
  ...options,
  fn: async () => {
    const next = random(Number(Deno.env.get("MINI_FUZZ_SEED") ?? 7));
    const least = 100, until = performance.now() + Number(Deno.env.get("MINI_FUZZ_SECONDS") ?? 0) * 1000;
    const types = ["file", "directory", "symlink", "hardlink", "fifo", "char", "file", "directory", "symlink"] as const;
    let rounds = 0, whole = 0;
    while (rounds < least || performance.now() < until) {
      const result = await attack((outside) => {
        const parts = ["a", "b", "c", "victim", "folder", ".wh.a", ".wh..wh..opq", ".", "..", "", ".wh.b"];
        const part = () => parts[next(next(4) === 0 ? parts.length : 5)]!;
        const path = () => Array.from({ length: 1 + next(4) }, part).join("/") || "x";
        const target = () =>
          [
            outside,
            `${outside}/victim`,
            `${outside}/folder`,
            "../".repeat(9) + outside,
            "/proc/self/root",
            "a",
            "../b",
            "/c",
            ".",
          ][next(9)]!;
        return Array.from({ length: 1 + next(12) }, (): Entry => {
          const type = types[next(types.length)]!;
          const linkPath = type === "hardlink" && next(2) === 0 ? path() : target();
          return [{
            type,
            path: path(),
            linkPath,
            mode: next(0o10000),
            uid: next(3),
            mtime: { seconds: next(1000), nanoseconds: 0 },
          }, type === "file" ? "overwritten" : ""];
        });
      });
      rounds++;
      if (typeof result !== "string") whole++;
    }
    assert(whole > 10 && whole < rounds, `${whole} of ${rounds} were unpacked`);
  },
});
