import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { overlayRootfs } from "./overlay.ts";

/** A place to mount on in a folder that is removed afterwards. */
function withTarget(body: (target: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    body(`${folder}/merged`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("few layers stand in the options as they are, the top one first", () => {
  const overlay = overlayRootfs({ lowers: ["/l/1", "/l/2"], upper: "/u", work: "/w", target: "/t", volatile: true });
  assertEquals(overlay.options, "lowerdir=/l/2:/l/1,upperdir=/u,workdir=/w,volatile");
  assertEquals(overlayRootfs({ lowers: ["/l/1", "/l/2"], target: "/t" }).options, "lowerdir=/l/2:/l/1");
});

Deno.test("many layers stand there by short links, within a page", () => {
  withTarget((target) => {
    const lowers = Array.from({ length: 500 }, (_, i) => `/a/folder/as/deep/as/that/of/a/layer/in/the/store/${i}`);
    const { options, relativeTo } = overlayRootfs({ lowers, upper: "/u", work: "/w", target });
    assertEquals(relativeTo, `${target}.links`);
    assert(/^lowerdir=\d+(:\d+){499},upperdir=\d+,workdir=\d+$/.test(options), options);
    assert(options.length < 4096);
    const [, top, upper] = options.match(/^lowerdir=(\d+).*upperdir=(\d+)/)!;
    assertEquals(Deno.readLinkSync(`${relativeTo}/${top}`), lowers.at(-1));
    assertEquals(Deno.readLinkSync(`${relativeTo}/${upper}`), "/u");
  });
});

Deno.test("a path with characters that the options give a meaning stands there by a link", () => {
  for (const name of ["/a,b", "/a:b", "/a\\b"]) {
    withTarget((target) => {
      const { options, relativeTo } = overlayRootfs({ lowers: [name, "/plain"], target });
      assertEquals(options, "lowerdir=0:1");
      assertEquals(["0", "1"].map((link) => Deno.readLinkSync(`${relativeTo}/${link}`)), ["/plain", name]);
    });
  }
});

Deno.test("a second look with other layers replaces the links of the first", () => {
  withTarget((target) => {
    overlayRootfs({ lowers: ["/a,1", "/a,2"], target });
    const { relativeTo } = overlayRootfs({ lowers: ["/a,1", "/a,2", "/a,3"], target });
    assertEquals(Deno.readLinkSync(`${relativeTo}/0`), "/a,3");
    assertEquals(Deno.readLinkSync(`${relativeTo}/1`), "/a,2");
  });
});

Deno.test("more layers than overlayfs stacks are refused", () => {
  const lowers = Array.from({ length: 501 }, (_, i) => `/l/${i}`);
  assertThrows(() => overlayRootfs({ lowers, target: "/t" }), MiniError, "501 layers");
});
