/** Images of many layers, run. */
import { assertEquals } from "@std/assert";
import { Store } from "../images/store.ts";
import { miniTest } from "./harness.ts";
import { addImage, layerTar } from "./images_fixtures.ts";

const BUSYBOX = "/bin/busybox";

miniTest("an image of 120 layers runs, with what the upper ones change and hide", async ({ root, mini }) => {
  const store = new Store(root);
  const base = layerTar(
    [{ path: "bin/", type: "directory", mode: 0o755 }],
    [{ path: "bin/busybox", mode: 0o755 }, await Deno.readFile(BUSYBOX)],
    [{ path: "bin/sh", type: "symlink", linkPath: "busybox" }],
    [{ path: "etc/", type: "directory", mode: 0o755 }],
    // Looked up through all layers, before the container is there.
    [{ path: "etc/passwd" }, "root:x:0:0::/root:/bin/sh\nann:x:1234:1234::/home/ann:/bin/sh\n"],
  );
  const layers = Array.from({ length: 119 }, (_, i) =>
    layerTar(
      [{ path: `only-${i}` }, `${i}`],
      [{ path: "last" }, `${i}`],
      ...i > 0 && i % 3 === 0 ? [[{ path: `.wh.only-${i - 1}` }] as [{ path: string }]] : [],
    ));
  await addImage(store, "many:latest", [base, ...layers]);
  const script = "cd /; set -- only-*; echo $# $(busybox cat last) $(busybox id -u)";
  const { status, stdout, stderr } = await mini(["run", "--rm", "-u", "ann", "many", "/bin/sh", "-c", script]);
  assertEquals([status, stderr, stdout], [0, "", `${119 - 39} 118 1234\n`]);
  // A program that is missing is looked for through all layers, too.
  const missing = await mini(["run", "--rm", "many", "/bin/nothing"]);
  assertEquals([missing.status, missing.stderr], [
    127,
    "mini: cannot run /bin/nothing: there is no such file in the container\n",
  ]);
});
