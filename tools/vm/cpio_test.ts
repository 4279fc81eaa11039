import { assertEquals } from "@std/assert";
import { cpio } from "./cpio.ts";

/** Reads an archive as the kernel does. */
function unpack(bytes: Uint8Array): [path: string, mode: string, content: string][] {
  const text = new TextDecoder().decode(bytes), found: [string, string, string][] = [];
  for (let at = 0;;) {
    assertEquals([text.slice(at, at + 6), at & 3], ["070701", 0]);
    const field = (i: number) => parseInt(text.slice(at + 6 + 8 * i, at + 14 + 8 * i), 16);
    const name = text.slice(at + 110, at + 110 + field(11) - 1), mode = field(1).toString(8), size = field(6);
    const content = at + 110 + field(11) + (-(110 + field(11)) & 3);
    if (name === "TRAILER!!!") return found;
    found.push([name, mode, text.slice(content, content + size)]);
    at = content + size + (-size & 3);
  }
}

Deno.test("an archive holds files and folders, whatever their lengths are", () => {
  assertEquals(
    unpack(cpio([
      { path: "bin" },
      { path: "bin/a", content: "1", executable: true },
      { path: "bin/ab", content: new TextEncoder().encode("12345") },
      { path: "abc", content: "" },
    ])),
    [["bin", "40755", ""], ["bin/a", "100755", "1"], ["bin/ab", "100644", "12345"], ["abc", "100644", ""]],
  );
});
