import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY } from "../../ffi/constants.ts";
import { MiniError } from "../../ffi/errors.ts";
import { kindOf } from "./local.ts";

const kind = (options: Record<string, string>) => kindOf({ name: "data", options });

function refuses(options: Record<string, string>, ...words: string[]): void {
  const { message } = assertThrows(() => kind(options), MiniError);
  for (const word of words) assertStringIncludes(message, word);
}

Deno.test("without options a volume is a folder, with o=bind it stands for one of the host", () => {
  assertEquals(kind({}), { kind: "folder" });
  assertEquals(kind({ type: "none", device: "/srv", o: "bind" }), { kind: "bind", source: "/srv", options: ["bind"] });
  assertEquals(kind({ type: "none", device: "/srv", o: "rbind,ro" }), {
    kind: "bind",
    source: "/srv",
    options: ["rbind", "ro"],
  });
});

Deno.test("other types are file systems, with flags and with options of their own", () => {
  assertEquals(kind({ type: "nfs", device: ":/export", o: "addr=10.0.0.1,ro,nosuid,nolock,vers=4" }), {
    kind: "filesystem",
    filesystem: {
      type: "nfs",
      device: ":/export",
      attributes: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID,
      data: [["addr", "10.0.0.1"], ["nolock"], ["vers", "4"]],
    },
  });
  assertEquals(kind({ type: "tmpfs", device: "tmpfs", o: "size=100m,uid=1000" }), {
    kind: "tmpfs",
    filesystem: { type: "tmpfs", device: "tmpfs", attributes: 0, data: [["size", "100m"], ["uid", "1000"]] },
  });
});

Deno.test("options that the driver does not know, or that do not go together, are refused", () => {
  refuses({ nosuch: "1" }, "nosuch", "type, device and o");
  refuses({ size: "10G" }, "size");
  refuses({ type: "nfs" }, "device");
  refuses({ device: "/dev/sdb1" }, "type");
  refuses({ o: "ro" }, "device");
  refuses({ type: "none", device: "/srv" }, "o=bind");
  refuses({ type: "none", device: "srv", o: "bind" }, "absolute");
  refuses({ type: "none", device: "/srv", o: "bind,nosuch=1" }, "nosuch=1");
  refuses({ type: "none", device: "/srv", o: "bind,rshared" }, "rshared");
  refuses({ type: "ext4", device: "/dev/x", o: "remount" }, "remount");
  refuses({ type: "overlay", device: "overlay", o: "lowerdir=/etc" }, "overlay");
  refuses({ type: "a\0b", device: "x" }, "NUL");
});
