import { assertEquals } from "@std/assert";
import { kernelMounts } from "./plan_cover.ts";

Deno.test("the kernel's own file systems are found wherever they are mounted, the last one first", () => {
  const text = [
    "22 1 0:20 / /proc rw,nosuid shared:5 - proc proc rw",
    "23 1 0:21 / /sys rw - sysfs sysfs rw",
    "24 23 0:22 / /sys/fs/cgroup rw - tmpfs proc rw",
    "25 1 0:20 / /srv/a\\040b rw shared:1 master:2 - proc none rw",
    "26 1 8:1 / / rw - ext4 /dev/sda1 rw",
    "",
  ].join("\n");
  assertEquals(kernelMounts(text), ["/srv/a b", "/sys", "/proc"]);
});
