import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { containerOf, isContainerMode, readModes } from "./namespaces.ts";

Deno.test("namespaces are the container's own, the host's or another container's", () => {
  assertEquals(readModes({}), { ipc: "private", pid: "private", uts: "private" });
  assertEquals(readModes({ ipc: "shareable", pid: "host", uts: "container:web" }), {
    ipc: "shareable",
    pid: "host",
    uts: "container:web",
  });
  assertEquals(readModes({ ipc: "none", pid: "", uts: "private" }), { ipc: "none", pid: "private", uts: "private" });
  assertEquals([isContainerMode("container:web"), isContainerMode("host")], [true, false]);
  assertEquals(containerOf("container:web"), "web");
});

Deno.test("anything else is refused with what there is", () => {
  for (
    const [flag, value] of [["ipc", "nosuch"], ["pid", "none"], ["pid", "shareable"], ["uts", "container:"]] as const
  ) {
    const error = assertThrows(() => readModes({ [flag]: value }), MiniError, `--${flag} "${value}"`);
    assertEquals(error.message.includes("container:NAME"), true);
  }
});
