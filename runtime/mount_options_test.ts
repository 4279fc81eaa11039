import { assertEquals, assertThrows } from "@std/assert";
import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
} from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { parseMountOptions } from "./mount_options.ts";

const parse = (...options: string[]) => parseMountOptions(options, "/place");

Deno.test("without options a mount is private, and nothing is set", () => {
  assertEquals(parse(), {
    set: 0,
    clear: 0,
    setBelow: 0,
    clearBelow: 0,
    bind: false,
    recursive: false,
    propagation: MS_PRIVATE,
    propagationRecursive: true,
    copyUp: false,
    remount: false,
    data: [],
  });
  assertEquals(parse("defaults"), parse());
});

Deno.test("of two options that exclude one another the last one counts", () => {
  assertEquals(parse("ro").set, MOUNT_ATTR_RDONLY);
  const { set, clear } = parse("ro", "rw", "nosuid", "nodev", "dev");
  assertEquals([set, clear], [MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV]);
  assertEquals(parse("rw", "ro").clear, 0);
  const atime = parse("noatime", "strictatime");
  assertEquals([atime.set, atime.clear], [MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME]);
  assertEquals(parse("noatime").set, MOUNT_ATTR_NOATIME);
});

Deno.test("attributes with an r in front are for the mounts below as well", () => {
  const { set, clear, setBelow, clearBelow } = parse("nosuid", "rro", "rnoexec", "rexec", "rnoatime");
  assertEquals([set, clear], [MOUNT_ATTR_NOSUID, 0]);
  assertEquals(setBelow, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);
  assertEquals(clearBelow, MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME);
  assertEquals(parse("relatime").setBelow, 0);
});

Deno.test("options that only change what the kernel says are passed over", () => {
  assertEquals(parse("silent", "loud").data, []);
});

Deno.test("bind and rbind, and propagation for one mount or for all below", () => {
  assertEquals([parse("bind").bind, parse("bind").recursive], [true, false]);
  assertEquals([parse("rbind").bind, parse("rbind").recursive], [true, true]);
  assertEquals([parse("rslave").propagation, parse("rslave").propagationRecursive], [MS_SLAVE, true]);
  assertEquals([parse("shared").propagation, parse("shared").propagationRecursive], [MS_SHARED, false]);
});

Deno.test("what is left is the file system's own, split at the first equals sign", () => {
  assertEquals(parse("size=64m", "mode=1777", "newinstance", "x=y=z").data, [
    ["size", "64m"],
    ["mode", "1777"],
    ["newinstance"],
    ["x", "y=z"],
  ]);
  assertEquals(parse("toString", "constructor=1").data, [["toString"], ["constructor", "1"]]);
});

Deno.test("idmap is for one mount, ridmap for those below as well", () => {
  assertEquals([parse("idmap").idmap, parse("rbind", "ridmap").idmap, parse("ro").idmap], [
    "one",
    "recursive",
    undefined,
  ]);
});

Deno.test("options that are not carried out are refused by name", () => {
  for (const option of ["move"]) assertThrows(() => parse("ro", option), MiniError, option);
});
