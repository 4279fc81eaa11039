/** The store through crashes, a full disk, and several processes at once. Needs root. */
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { gzipSync } from "node:zlib";
import { digestOf } from "../images/digest.ts";
import { makeImage, putLeased } from "../images/make_image.ts";
import { Store } from "../images/store.ts";
import { MediaType } from "../images/types.ts";
import {
  addImage,
  type Entry,
  isRoot,
  layerTar,
  pieces,
  runTool,
  unpack,
  withFolder,
  withStore,
} from "./images_fixtures.ts";

const options = { ignore: !isRoot, sanitizeOps: false, sanitizeResources: false };
const encoder = new TextEncoder();
const SCRIPT = new URL("images_store_script.ts", import.meta.url).pathname;
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function script(...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", SCRIPT, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  })
    .spawn();
}
async function outcome(child: Deno.ChildProcess): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await child.output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}
const names = (path: string) => Array.from(Deno.readDirSync(path), (entry) => entry.name);
const largeLayer = (files: number) =>
  layerTar(
    ...Array.from(
      { length: files },
      (_, i): Entry => [{ path: `folder-${i % 50}/file-${i}` }, `content of ${i}`.repeat(200)],
    ),
  );

Deno.test({
  name: "a process killed at any moment of storing and unpacking leaves nothing visible that is not whole",
  ...options,
  fn: () =>
    withFolder(async (root) => {
      const store = new Store(root);
      const layer = largeLayer(3000), id = await digestOf(layer);
      Deno.writeFileSync(`${root}/layer.tar`, layer);
      let unfinished = 0;
      for (let round = 0; round < 12; round++) {
        const child = script("store", root, `${root}/layer.tar`, id);
        await child.stdout.getReader().read(); // it has begun
        await sleep(round * 25);
        try {
          child.kill("SIGKILL");
        } catch (error) {
          assert(error instanceof TypeError, String(error)); // it has ended by itself
        }
        await child.status;
        await child.stderr.cancel();
        if (store.blobs.has(id)) assertEquals(await digestOf(Deno.readFileSync(store.blobs.path(id))), id);
        if (store.layers.has(id)) {
          const folders = names(store.layers.path(id));
          assertEquals(folders.length, 50);
          assertEquals(
            folders.reduce((sum, folder) => sum + names(`${store.layers.path(id)}/${folder}`).length, 0),
            3000,
          );
        } else unfinished++;
        await store.gc({ allPartial: true });
        for (const folder of ["layers", "ingest", "leases", "blobs/sha256"]) {
          assertEquals(names(`${store.folder}/${folder}`), [], `${folder} after a kill in round ${round}`);
        }
      }
      assert(unfinished > 0, "no kill came in time");
    }),
});

Deno.test({
  name: "a full disk is told in one sentence and leaves nothing",
  ...options,
  fn: () =>
    withFolder(async (folder) => {
      const layer = largeLayer(3000), id = await digestOf(layer);
      Deno.writeFileSync(`${folder}/layer.tar`, layer);
      Deno.mkdirSync(`${folder}/disk`);
      const inside =
        `mount -t tmpfs -o size=4m tmpfs ${folder}/disk && exec ${Deno.execPath()} run -A --no-check ${SCRIPT} full ${folder}/disk ${folder}/layer.tar ${id}`;
      const text = await runTool("unshare", "-m", "sh", "-c", inside);
      assert(
        /^the disk of \S+ is full; nothing of the layer sha256:\w{64} was kept\nlayers: \ningest: \n$/.test(text),
        text,
      );
    }),
});

Deno.test({
  name: "two processes that store the same layer at once both succeed, and one of them does the work",
  ...options,
  fn: () =>
    withFolder(async (root) => {
      const layer = largeLayer(2000), id = await digestOf(layer);
      Deno.writeFileSync(`${root}/layer.tar`, layer);
      const results = await Promise.all([1, 2, 3].map(() => outcome(script("store", root, `${root}/layer.tar`, id))));
      for (const { code, text } of results) assertEquals(code, 0, text);
      assertEquals(results.filter(({ text }) => text.includes("downloaded")).length, 1);
      const store = new Store(root);
      assertEquals(names(`${store.folder}/layers`).sort(), [id.slice(7), `${id.slice(7)}.json`]);
      assertEquals(names(`${store.folder}/ingest`), []);
    }),
});

Deno.test({
  name: "adding and removing images in several processes at once never breaks an image that is there",
  ...options,
  fn: () =>
    withFolder(async (root) => {
      const store = new Store(root);
      await addImage(store, "kept:1", [largeLayer(50)]);
      const results = await Promise.all([1, 2, 3, 4].map((n) => outcome(script("churn", root, String(n)))));
      for (const { code, text } of results) assertEquals(code, 0, text);
      await store.gc({ allPartial: true });
      assertEquals(store.images.list().map(({ names }) => names), [["docker.io/library/kept:1"]]);
      assertEquals(store.image("kept:1").layers.map((path) => names(path).length), [50]);
      assertEquals(names(`${store.folder}/blobs/sha256`).length, 3);
      assertEquals(names(`${store.folder}/layers`).length, 2);
    }),
});

Deno.test({
  name: "an interrupted download goes on where it stopped, and wrong content is thrown away",
  ...options,
  fn: () =>
    withStore(async (store) => {
      const bytes = encoder.encode("0123456789".repeat(1000)), digest = await digestOf(bytes);
      const descriptor = { mediaType: "", digest, size: bytes.length };
      const first = (await store.blobs.ingest(descriptor))!;
      assertEquals(first.offset, 0);
      first.write(bytes.subarray(0, 4000));
      first.suspend();
      assertEquals(store.blobs.has(digest), false);
      await store.gc(); // leaves a recent part alone
      const second = (await store.blobs.ingest(descriptor))!;
      assertEquals(second.offset, 4000);
      assertThrows(() => second.write(new Uint8Array(6001)), MiniError, "longer than the 10000 bytes");
      second.write(bytes.subarray(4000, 5000));
      assertThrows(() => second.commit(), MiniError, "ended after 5000 of 10000 bytes");
      const third = (await store.blobs.ingest(descriptor))!;
      assertEquals(third.offset, 5000);
      third.write(new Uint8Array(5000));
      assertThrows(() => third.commit(), MiniError, "is wrong: it has the digest sha256:");
      const fourth = (await store.blobs.ingest(descriptor))!;
      assertEquals(fourth.offset, 0);
      fourth.write(bytes);
      const waiting = store.blobs.ingest(descriptor);
      await sleep(100);
      fourth.commit();
      assertEquals(await waiting, undefined);
      assertEquals(store.blobs.read(digest, 10_000), bytes);
      assertThrows(() => store.blobs.read(digest, 9_999), MiniError, "more than");
      assertEquals(names(`${store.folder}/ingest`), []);
    }),
});

Deno.test({
  name: "the garbage collection keeps what images, containers and leases need, and removes the rest",
  ...options,
  fn: () =>
    withStore(async (store, root) => {
      await addImage(store, "named:1", [layerTar([{ path: "a" }, "a"])]);
      await addImage(store, undefined, [layerTar([{ path: "b" }, "b"])]);
      await addImage(store, "used:1", [layerTar([{ path: "c" }, "c"])]);
      const used = store.image("used:1");
      const leased = await digestOf(layerTar([{ path: "d" }, "d"]));
      const lease = store.lease();
      lease.add(leased);
      await unpack(store, layerTar([{ path: "d" }, "d"]));
      await unpack(store, layerTar([{ path: "e" }, "e"]));
      Deno.mkdirSync(`${root}/containers/one`, { recursive: true });
      Deno.writeTextFileSync(
        `${root}/containers/one/container.json`,
        JSON.stringify({ layers: used.diffIDs, imageId: used.id }),
      );
      store.images.remove(used.manifestDigest);
      assertEquals((await store.gc()).layers.length, 1);
      assert(store.layers.has(used.diffIDs[0]!) && store.blobs.has(used.id) && store.layers.has(leased));
      assertEquals(store.images.list().length, 2);
      lease.release();
      assertEquals((await store.gc()).layers, [leased]);
      Deno.removeSync(`${root}/containers/one`, { recursive: true });
      const { layers, bytes } = await store.gc();
      assertEquals([layers, bytes > 0], [used.diffIDs, true]);
      assertEquals(await store.gc(), { blobs: 0, layers: [], bytes: 0 });
      // A record that cannot be read may name any layer: then all of them stay.
      Deno.mkdirSync(`${root}/containers/broken`, { recursive: true });
      Deno.writeTextFileSync(`${root}/containers/broken/container.json`, "{");
      await unpack(store, layerTar([{ path: "f" }, "f"]));
      assertStringIncludes((await store.gc()).unsure!, "is damaged");
      assertEquals(names(`${store.folder}/layers`).length, 6);
    }),
});

Deno.test({
  name: "names and IDs find images as Docker finds them",
  ...options,
  fn: () =>
    withStore(async (store) => {
      const one = await addImage(store, "alpine", [layerTar([{ path: "a" }])]);
      const two = await addImage(store, "localhost:5000/team/app:2", [layerTar([{ path: "b" }])]);
      const id = store.images.resolve("alpine")!.id;
      for (
        const text of [
          "alpine:latest",
          "docker.io/library/alpine",
          "docker.io/alpine:latest",
          id,
          id.slice(7),
          id.slice(7, 19),
          id.slice(0, 20),
          one,
        ]
      ) {
        assertEquals(store.images.resolve(text)?.manifest, one, text);
      }
      for (
        const text of [
          "alpine:3",
          "team/app:2",
          "localhost:5000/team/app",
          "beef".repeat(16),
          "",
          "UPPER",
          "a b",
          "../x",
        ]
      ) {
        assertEquals(store.images.resolve(text), undefined, text);
      }
      store.images.tag("alpine", "localhost:5000/team/app:2");
      assertEquals(store.images.resolve("localhost:5000/team/app:2")?.manifest, one);
      assertEquals(store.images.list().find(({ manifest }) => manifest === two)!.names, []);
      assertEquals(store.image("alpine").names, ["docker.io/library/alpine:latest", "localhost:5000/team/app:2"]);
      store.images.setDigest("alpine", one);
      assertEquals(store.images.resolve(`alpine@${one}`)?.manifest, one);
      assertEquals(store.images.resolve(`other@${one}`), undefined);
      assertThrows(() => store.images.tag("nothing", "x"), MiniError, "No such image: nothing");
      assertThrows(() => store.images.tag("alpine", "Bad Name"), MiniError, "invalid image name");
      assertThrows(() => store.image("missing"), MiniError, "No such image: missing");
      Deno.writeTextFileSync(`${store.folder}/names.json`, "{");
      assertThrows(() => store.images.list(), MiniError, "is damaged");
    }),
});

Deno.test({
  name: "two forms of one image, compressed in different ways, are one image to a person",
  ...options,
  fn: () =>
    withStore(async (store) => {
      const layer = layerTar([{ path: "a" }, "a"]), diffID = await digestOf(layer);
      const plain = await addImage(store, "one:1", [layer]);
      const { id } = store.image("one:1");
      using lease = store.lease();
      const packed = new Uint8Array(gzipSync(layer));
      const digest = await putLeased(store, lease, packed);
      const descriptor = { mediaType: MediaType.ociLayerGzip, digest, size: packed.length };
      const config = store.blobs.read(id, 10_000);
      const other = await makeImage(store, lease, config, [{ descriptor, diffID }], ["one:2"]);
      assertEquals(store.images.list().map(({ id }) => id), [id, id]);
      await makeImage(store, lease, config, [{ descriptor, diffID }], ["one:1"]);
      assertEquals(store.images.list().map(({ manifest, names }) => [manifest, names.length]), [[other, 2]]);
      store.images.put("one:3", plain);
      store.images.tag("one:1", "one:3");
      assertEquals(store.images.list().map(({ manifest, names }) => [manifest, names.length]), [[other, 3]]);
    }),
});

Deno.test({
  name: "an unpacked layer is read from a blob once, and a missing blob is told",
  ...options,
  fn: () =>
    withStore(async (store) => {
      const layer = layerTar([{ path: "f" }, "x"]), id = await digestOf(layer);
      await assertRejects(() => store.layers.unpackBlob(id, id), MiniError, "has no sha256:");
      await store.blobs.put(layer);
      const infos = await Promise.all([
        store.layers.unpackBlob(id, id),
        store.layers.unpackBlob(id, id),
        store.layers.unpack(id, pieces(layer)),
      ]);
      for (const info of infos) assertEquals(info, { size: 1, entries: 1 });
      assertEquals(names(`${store.folder}/ingest`), []);
      assertThrows(() => store.layers.info(`sha256:${"0".repeat(64)}`), MiniError, "not in the image store");
      assertThrows(() => store.layers.path("sha256:../../../etc"), MiniError, "is not a digest");
    }),
});
