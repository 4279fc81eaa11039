/** What images_store_test.ts runs in processes of their own, to be killed or to get into each other's way. */
import { digestOf } from "../images/digest.ts";
import { Store } from "../images/store.ts";
import { addImage, layerTar, pieces } from "./images_fixtures.ts";

const [what, root, ...args] = Deno.args as [string, string, ...string[]];
const store = new Store(root);

switch (what) {
  case "store": { // a layer from a file: as a blob, then unpacked
    const [path, digest] = args as [string, string];
    console.log("begun");
    using lease = store.lease();
    lease.add(digest);
    const bytes = Deno.readFileSync(path);
    const ingest = await store.blobs.ingest({ mediaType: "", digest, size: bytes.length });
    if (ingest) {
      for await (const piece of pieces(bytes.subarray(ingest.offset), 64 * 1024)) ingest.write(piece);
      ingest.commit();
      console.log("downloaded");
    }
    await store.layers.unpackBlob(digest, digest);
    break;
  }
  case "full": {
    const [path, digest] = args as [string, string];
    try {
      await store.layers.unpack(digest, pieces(Deno.readFileSync(path)));
    } catch (error) {
      console.log((error as Error).message);
    }
    for (const folder of ["layers", "ingest"]) {
      console.log(
        `${folder}: ${Array.from(Deno.readDirSync(`${store.folder}/${folder}`), (entry) => entry.name).join(" ")}`,
      );
    }
    break;
  }
  case "churn": // images with a layer that all processes share and one of their own come and go
    for (let i = 0; i < 15; i++) {
      const shared = layerTar([{ path: "shared" }, "shared by all"]);
      const own = layerTar([{ path: `own-${args[0]}-${i}` }, "own"]);
      const manifest = await addImage(store, `churn-${args[0]}:${i}`, [shared, own]);
      const { layers } = store.image(`churn-${args[0]}:${i}`);
      for (const [layer, file] of [[layers[0], "shared"], [layers[1], `own-${args[0]}-${i}`]]) {
        Deno.statSync(`${layer}/${file}`);
      }
      store.images.remove(manifest);
      await store.gc();
      if (store.layers.has(await digestOf(own))) throw new Error("a layer that nobody needs is still there");
    }
    break;
  default:
    throw new Error(`unknown: ${what}`);
}
