import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError, SyscallError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { overlayRootfs } from "./overlay.ts";

const options = (overlay: ReturnType<typeof overlayRootfs>) =>
  overlay.rootfs.kind === "overlay" ? overlay.rootfs.options : "";
const relativeTo = (overlay: ReturnType<typeof overlayRootfs>) =>
  overlay.rootfs.kind === "overlay" ? overlay.rootfs.relativeTo : "";

/** So many folders, in one that is removed afterwards. */
function withFolders(count: number, name: string, body: (folders: string[]) => void): void {
  const root = Deno.makeTempDirSync();
  try {
    const folders = Array.from({ length: count }, (_, i) => `${root}/${name}${i}`);
    for (const folder of folders) Deno.mkdirSync(folder);
    body(folders);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("few layers stand in the options as they are, the top one first", () => {
  const overlay = overlayRootfs({ lowers: ["/l/1", "/l/2"], upper: "/u", work: "/w", target: "/t", volatile: true });
  assertEquals(options(overlay), "lowerdir=/l/2:/l/1,upperdir=/u,workdir=/w,volatile");
  assertEquals(overlay.descriptors, []);
  assertEquals(options(overlayRootfs({ lowers: ["/l/1", "/l/2"], target: "/t" })), "lowerdir=/l/2:/l/1");
});

Deno.test("many layers stand there by their descriptors, within a page", () => {
  withFolders(120, "a-name-as-long-as-that-of-a-layer-in-the-store-", (folders) => {
    const overlay = overlayRootfs({ lowers: folders, upper: folders[0]!, work: folders[1]!, target: "/t" });
    try {
      assertEquals(relativeTo(overlay), "/proc/self/fd");
      assertEquals(overlay.descriptors.length, 122);
      assert(/^lowerdir=\d+(:\d+){119},upperdir=\d+,workdir=\d+$/.test(options(overlay)));
      assert(options(overlay).length < 4096);
      const top = Number(options(overlay).match(/^lowerdir=(\d+)/)![1]);
      assertEquals(Deno.readLinkSync(`/proc/self/fd/${top}`), Deno.realPathSync(folders.at(-1)!));
    } finally {
      overlay.descriptors.forEach(close);
    }
  });
});

Deno.test("a path with characters that the options give a meaning stands there by its descriptor", () => {
  for (const name of ["a,b", "a:b", "a\\b"]) {
    withFolders(2, name, (folders) => {
      const overlay = overlayRootfs({ lowers: folders, target: "/t" });
      overlay.descriptors.forEach(close);
      assert(/^lowerdir=\d+:\d+$/.test(options(overlay)), options(overlay));
    });
  }
});

Deno.test("more layers than overlayfs stacks are refused, and a missing one leaves no descriptor open", () => {
  const lowers = Array.from({ length: 501 }, (_, i) => `/l/${i}`);
  assertThrows(() => overlayRootfs({ lowers, target: "/t" }), MiniError, "501 layers");
  withFolders(3, "a,", (folders) => {
    const before = [...Deno.readDirSync("/proc/self/fd")].length;
    assertThrows(() => overlayRootfs({ lowers: [...folders, "/no,such"], target: "/t" }), SyscallError, "no such file");
    assertEquals([...Deno.readDirSync("/proc/self/fd")].length, before);
  });
});
