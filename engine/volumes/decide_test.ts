import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { MiniError } from "../../ffi/errors.ts";
import { decideMounts, readVolumesFrom, specMount, type Wanted } from "./decide.ts";
import type { DecidedMount } from "./types.ts";
import { readTmpfs, readVolume } from "./volume_flag.ts";

const decide = (wanted: Partial<Wanted>) => decideMounts({ flags: [], from: [], image: [], ...wanted });
const places = (mounts: DecidedMount[]) => mounts.map((m) => `${m.destination}=${m.source ?? m.name ?? m.type}`);

function refuses(body: () => unknown, ...words: string[]): void {
  const { message } = assertThrows(body, MiniError);
  for (const word of words) assertStringIncludes(message, word);
}

Deno.test("a flag goes before another container's volume, and that before the image's", () => {
  const from = [
    decide({ flags: ["one:/a", "one:/b", "one:/c"].map(readVolume) }),
    decide({ flags: [readVolume("two:/b")] }),
  ];
  const mounts = decide({
    flags: [readVolume("/host:/a"), readTmpfs("/t")],
    from: from.map((mounts) => ({ mounts, readonly: false })),
    image: ["/a", "/b", "/t/"],
  });
  assertEquals(places(mounts), ["/a=/host", "/b=two", "/c=one", "/t=tmpfs"]);
});

Deno.test("a volume without a name gets one, and is known to be this container's own", () => {
  const [flag, image] = decide({ flags: [readVolume("/a")], image: ["/b/../c"] });
  for (const mount of [flag!, image!]) {
    assertEquals([mount.type, mount.anonymous], ["volume", true]);
    assertMatch(mount.name!, /^[0-9a-f]{64}$/);
  }
  assertEquals([flag!.by, image!.by, image!.destination], ["volume", "image", "/c"]);
});

Deno.test("--volumes-from takes the mounts of another container, to be written or only to be read", () => {
  const mounts = decide({ flags: [readVolume("data:/a"), readVolume("/h:/b:ro"), readTmpfs("/t")], image: ["/i"] });
  const same = decide({ from: [{ mounts, readonly: false }] }), less = decide({ from: [{ mounts, readonly: true }] });
  assertEquals(places(same), ["/a=data", "/b=/h", `/i=${mounts[3]!.name}`]);
  assertEquals(same.map((m) => m.readonly), [false, true, false]);
  assertEquals(less.map((m) => m.readonly), [true, true, true]);
  assertEquals(less.map((m) => m.options), [["rbind", "rro"], ["rbind", "rro"], ["rbind", "rro"]]);
  assertEquals(same.map((m) => [m.by, m.anonymous ?? false]), [["volumes-from", false], ["volumes-from", false], [
    "volumes-from",
    true,
  ]]);
});

Deno.test("the words of --volumes-from", () => {
  assertEquals(readVolumesFrom("web"), { given: "web", container: "web", readonly: false });
  assertEquals(readVolumesFrom("web:rw"), { given: "web:rw", container: "web", readonly: false });
  assertEquals(readVolumesFrom("web:ro"), { given: "web:ro", container: "web", readonly: true });
  for (const text of ["", ":ro", "web:x", "web:", "web:ro,rw", "web:ro:rw"]) {
    refuses(() => readVolumesFrom(text), "--volumes-from");
  }
});

Deno.test("two flags for one place, and places where nothing can be mounted, are refused", () => {
  refuses(() => decide({ flags: [readVolume("a1:/x"), readVolume("/x/")] }), "two volumes", "/x");
  refuses(() => decide({ flags: [readVolume("a1:/proc")] }), "/proc");
  refuses(() => decide({ flags: [readVolume("/proc/sys")] }), "/proc");
  for (const path of ["/proc", "/x/../proc/", "/proc/../proc/sys"]) refuses(() => decide({ image: [path] }), "/proc");
  for (const path of ["", "data", "../etc"]) refuses(() => decide({ image: [path] }), "image's volume", "absolute");
  for (const path of ["/", "/..", "/a/.."]) refuses(() => decide({ image: [path] }), "root itself");
  refuses(() => decide({ image: Array.from({ length: 201 }, (_, i) => `/v${i}`) }), "201");
});

Deno.test("mounts as the specification has them", () => {
  const spec = (mount: DecidedMount) => specMount(mount, (name) => `/volumes/${name}/data`);
  const [bind, volume, tmpfs] = decide({ flags: [readVolume("/h:/a:ro"), readVolume("data:/b"), readTmpfs("/t")] });
  assertEquals(spec(bind!), { destination: "/a", type: "bind", source: "/h", options: ["rbind", "rro"] });
  assertEquals(spec(volume!), { destination: "/b", type: "bind", source: "/volumes/data/data", options: ["rbind"] });
  assertEquals(spec(tmpfs!).type, "tmpfs");
});
