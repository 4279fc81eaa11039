import { assertEquals } from "@std/assert";
import { close } from "../ffi/kernel.ts";
import { readFile } from "../ffi/open.ts";
import { digestOf } from "./digest.ts";
import { Store } from "./store.ts";

Deno.test("whoever reads a blob on its way goes on when it has its name and another has taken the old one", async () => {
  const root = Deno.makeTempDirSync({ prefix: "mini-ingest-" });
  try {
    const store = new Store(root), bytes = new TextEncoder().encode("what is to be unpacked");
    const descriptor = { mediaType: "", digest: await digestOf(bytes), size: bytes.length };
    const ingest = (await store.blobs.ingest(descriptor))!;
    ingest.write(bytes.subarray(0, 4));
    const reading = ingest.openForReading();
    try {
      ingest.write(bytes.subarray(4));
      ingest.commit();
      // As another pull does that looked for the blob just before.
      Deno.writeTextFileSync(ingest.path, "");
      assertEquals(readFile(reading, 100), bytes);
    } finally {
      close(reading);
    }
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
