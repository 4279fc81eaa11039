import { assertEquals } from "@std/assert";
import { attributesOf, flagsOf } from "./mount_flags.ts";
import { parseMounts, tree } from "./mount_info.ts";

const TABLE = `20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 20 0:5 / /slot ro,nosuid,noexec - tmpfs mini rw
31 30 0:6 / /slot/a rw,nodev,noatime - tmpfs a rw
32 31 0:7 / /slot/a/b\\040c rw,relatime,nodiratime,nosymfollow - tmpfs b rw
33 31 0:8 / /slot/a rw - tmpfs over rw
34 30 0:9 / /slot/x/y rw,relatime - tmpfs y rw
35 30 0:10 / /slot/x rw,relatime - tmpfs x rw
36 20 0:11 / /slotted rw,relatime - tmpfs other rw
`;

Deno.test("the mounts below one are found, with their paths, and those that others cover are known", () => {
  const mounts = parseMounts(TABLE);
  assertEquals(tree(mounts, mounts.get(30)!).map(({ mount, path, covered }) => [mount.id, path, covered]), [
    [30, "", false],
    [31, "a", true],
    [32, "a/b c", true],
    [33, "a", false],
    [34, "x/y", true],
    [35, "x", false],
  ]);
  assertEquals(tree(mounts, mounts.get(20)!)[1]!.path, "slot");
});

Deno.test("attributes are read from mountinfo, and written for mount(2)", () => {
  const mounts = parseMounts(TABLE), of = (id: number) => attributesOf(mounts.get(id)!.options);
  assertEquals([of(20), of(30), of(31), of(32)], [0, 0x1 | 0x2 | 0x8 | 0x20, 0x4 | 0x10, 0x80 | 0x200000]);
  const flags = [flagsOf(of(20)), flagsOf(of(30)), flagsOf(of(31)), flagsOf(of(32))];
  assertEquals(flags, [1 << 21, 1 | 2 | 8 | 1 << 24, 4 | 1 << 10, 1 << 11 | 256 | 1 << 21]);
});
