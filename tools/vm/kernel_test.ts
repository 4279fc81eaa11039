import { assertEquals } from "@std/assert";
import { moduleFiles } from "./kernel.ts";

Deno.test("modules are loaded after what they need, each once; what is in the kernel itself is no file", () => {
  const modules = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${modules}/6.1`);
    Deno.writeTextFileSync(
      `${modules}/6.1/modules.dep`,
      "kernel/a/top.ko.xz: kernel/a/middle.ko.xz kernel/b/low.ko.xz\nkernel/a/middle.ko.xz: kernel/b/low.ko.xz\n" +
        "kernel/b/low.ko.xz:\nkernel/c/stop.ko.xz:\n",
    );
    const names = (...wanted: string[]) =>
      moduleFiles({ modules, release: "6.1", image: "" }, wanted).map((file) => file.slice(`${modules}/6.1`.length));
    assertEquals(
      names("top", "middle", "builtin"),
      [
        "kernel/b/low.ko.xz",
        "kernel/a/middle.ko.xz",
        "kernel/a/top.ko.xz",
      ].map((file) => `/${file}`),
    );
    assertEquals(names("low", "stop"), ["/kernel/b/low.ko.xz", "/kernel/c/stop.ko.xz"]);
  } finally {
    Deno.removeSync(modules, { recursive: true });
  }
});
