import { assertEquals } from "@std/assert";
import * as K from "../ffi/constants.ts";
import { mountData, mountFlags } from "./mount_flags.ts";

Deno.test("attributes of a mount are flags of mount(2), of access times one at most", () => {
  assertEquals(mountFlags(0), K.MS_RELATIME);
  assertEquals(
    mountFlags(K.MOUNT_ATTR_RDONLY | K.MOUNT_ATTR_NOSUID | K.MOUNT_ATTR_NOATIME | K.MOUNT_ATTR_NODIRATIME),
    K.MS_RDONLY | K.MS_NOSUID | K.MS_NOATIME | K.MS_NODIRATIME,
  );
  assertEquals(mountFlags(K.MOUNT_ATTR_STRICTATIME | K.MOUNT_ATTR_NOSYMFOLLOW), K.MS_STRICTATIME | K.MS_NOSYMFOLLOW);
});

Deno.test("a file system's options are the last argument of mount(2), those of every file system are flags", () => {
  assertEquals(mountData([["size", "1m"], ["sync"], ["nr_inodes", "5"], ["noacl"], ["nolazytime"], ["dirsync"]]), {
    flags: K.MS_SYNCHRONOUS | K.MS_DIRSYNC,
    data: "size=1m,nr_inodes=5,noacl",
  });
});
