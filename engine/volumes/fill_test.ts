import { assertEquals, assertRejects } from "@std/assert";
import { close } from "../../ffi/kernel.ts";
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { open } from "../../ffi/open.ts";
import { fill, finishFilling, isEmpty, type Target } from "./fill.ts";

/** Folders `image` and `volume`, the latter with `data`. */
interface Place {
  readonly folder: string;
  readonly target: Target;
  readonly image: number;
  /** What the volume holds: names, and what is in the files. */
  volume(): string[];
}

async function withPlace(test: (place: Place) => Promise<void> | void): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "mini-test-" });
  Deno.mkdirSync(`${folder}/image/data`, { recursive: true });
  Deno.mkdirSync(`${folder}/volume/data`, { recursive: true });
  const fds = [`${folder}/volume/data`, `${folder}/volume`, `${folder}/image`].map((p) =>
    open(p, O_RDONLY | O_DIRECTORY)
  );
  const [data, beside, image] = fds as [number, number, number];
  const walk = (path: string): string[] =>
    [...Deno.readDirSync(path)].map(({ name }) => name).sort().flatMap((name) => {
      const full = `${path}/${name}`, info = Deno.lstatSync(full);
      if (info.isDirectory) return [`${name}/`, ...walk(full).map((below) => `${name}/${below}`)];
      return [info.isSymlink ? `${name} -> ${Deno.readLinkSync(full)}` : `${name}=${Deno.readTextFileSync(full)}`];
    });
  try {
    await test({ folder, target: { data, beside }, image, volume: () => walk(`${folder}/volume/data`) });
    assertEquals([...Deno.readDirSync(`${folder}/volume`)].map(({ name }) => name), ["data"], "something was left");
  } finally {
    fds.forEach(close);
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("an empty volume gets what the image has there, and its folder's mode and time", () =>
  withPlace(async ({ folder, target, image, volume }) => {
    const data = `${folder}/image/data`;
    Deno.mkdirSync(`${data}/sub/empty`, { recursive: true });
    Deno.writeTextFileSync(`${data}/sub/file`, "text", { mode: 0o640 });
    Deno.linkSync(`${data}/sub/file`, `${data}/same`);
    Deno.symlinkSync("/etc/passwd", `${data}/link`);
    Deno.chmodSync(data, 0o1770);
    Deno.utimeSync(data, 1000, 1000);
    await fill(target, image, "/data");
    assertEquals(volume(), ["link -> /etc/passwd", "same=text", "sub/", "sub/empty/", "sub/file=text"]);
    const top = Deno.statSync(`${folder}/volume/data`);
    assertEquals([top.mode! & 0o7777, top.mtime], [0o1770, new Date(1000_000)]);
    const [one, two] = ["same", "sub/file"].map((name) => Deno.statSync(`${folder}/volume/data/${name}`));
    assertEquals([one!.mode! & 0o7777, one!.ino, one!.nlink], [0o640, two!.ino, 2]);
  }));

Deno.test("links on the way to the place stay in the image", () =>
  withPlace(async ({ folder, target, image, volume }) => {
    Deno.mkdirSync(`${folder}/image/etc`);
    Deno.writeTextFileSync(`${folder}/image/etc/mine`, "of the image");
    Deno.removeSync(`${folder}/image/data`);
    Deno.symlinkSync("../../../../../../../../etc", `${folder}/image/data`);
    await fill(target, image, "/data");
    assertEquals(volume(), ["mine=of the image"]);
  }));

Deno.test("a volume that holds something is left alone, and so is one for which the image has nothing", () =>
  withPlace(async ({ folder, target, image, volume }) => {
    Deno.writeTextFileSync(`${folder}/image/data/x`, "new");
    Deno.writeTextFileSync(`${folder}/image/file`, "");
    for (const path of ["/nosuch", "/file", "/data/x/y"]) await fill(target, image, path);
    assertEquals([volume(), isEmpty(target.data)], [[], true]);
    Deno.writeTextFileSync(`${folder}/volume/data/y`, "old");
    await fill(target, image, "/data");
    assertEquals([volume(), isEmpty(target.data)], [["y=old"], false]);
  }));

Deno.test("a fresh file system's lost+found is nothing", () =>
  withPlace(async ({ folder, target, image, volume }) => {
    Deno.mkdirSync(`${folder}/volume/data/lost+found`);
    Deno.writeTextFileSync(`${folder}/image/data/x`, "new");
    await fill(target, image, "/data");
    assertEquals(volume(), ["lost+found/", "x=new"]);
  }));

Deno.test("what an interrupted command had not finished is thrown away, and what it had is moved", () =>
  withPlace(async ({ folder, target, image, volume }) => {
    const begun = `${folder}/volume/.mini-fill`;
    Deno.writeTextFileSync(`${folder}/image/data/x`, "new");
    Deno.mkdirSync(begun, { mode: 0o700 });
    Deno.mkdirSync(`${begun}/content/half`, { recursive: true });
    finishFilling(target);
    assertEquals(volume(), []);
    // It came to its end, and was killed while it moved what it had made; a container has made something as well.
    Deno.mkdirSync(begun, { mode: 0o700 });
    Deno.mkdirSync(`${begun}/complete/sub`, { recursive: true });
    Deno.chmodSync(`${begun}/complete`, 0o750);
    for (const name of ["a", "b"]) Deno.writeTextFileSync(`${begun}/complete/${name}`, "of the image");
    Deno.writeTextFileSync(`${folder}/volume/data/b`, "of a container");
    await fill(target, image, "/data");
    assertEquals(volume(), ["a=of the image", "b=of a container", "sub/"]);
    assertEquals(Deno.statSync(`${folder}/volume/data`).mode! & 0o777, 0o750);
  }));

Deno.test("a folder of that name that somebody else has made is none of ours", () =>
  withPlace(({ folder, target }) => {
    const theirs = { data: target.data, beside: target.data };
    Deno.mkdirSync(`${folder}/volume/data/.mini-fill/complete/x`, { recursive: true, mode: 0o755 });
    finishFilling(theirs);
    assertEquals([...Deno.readDirSync(`${folder}/volume/data`)].map(({ name }) => name), [".mini-fill"]);
  }));

Deno.test("filling that is given up leaves nothing", () =>
  withPlace(async ({ folder, target, image, volume }) => {
    for (let i = 0; i < 200; i++) Deno.writeTextFileSync(`${folder}/image/data/${i}`, "x");
    const stop = new AbortController();
    stop.abort();
    await assertRejects(() => fill(target, image, "/data", stop.signal), DOMException);
    assertEquals(volume(), []);
  }));
