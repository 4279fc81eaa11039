import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { splitEnd } from "./cp.ts";

Deno.test("a path with a colon is a container's, unless it begins as a path of the host", () => {
  assertEquals(splitEnd("web:/etc"), { container: "web", path: "/etc" });
  assertEquals(splitEnd("web:etc:x"), { container: "web", path: "etc:x" });
  for (const path of ["file", "-", "./a:b", "/a:b", "../a:b", ".hidden:x", "dir/a:b"]) {
    assertEquals(splitEnd(path), { path });
  }
});

Deno.test("a container or a path that is missing is refused", () => {
  for (const text of ["", ":", "web:", ":/etc"]) assertThrows(() => splitEnd(text), MiniError);
});
