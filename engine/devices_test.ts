import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { describeDevices, placeDevices, readDevice, readDeviceRule, withDevicesOfNow } from "./devices.ts";
import type { ContainerConfig } from "./record.ts";
import { majorMinor } from "./disks.ts";

Deno.test("--device takes a path, another one in the container, and what may be done", () => {
  const at = (text: string) => Object.values(readDevice(text)).join(" ");
  assertEquals(at("/dev/fuse"), "/dev/fuse /dev/fuse rwm");
  assertEquals(at("/dev/fuse:/dev/other"), "/dev/fuse /dev/other rwm");
  assertEquals(at("/dev/fuse:r"), "/dev/fuse /dev/fuse r");
  assertEquals(at("/dev/fuse:/dev/other:rw"), "/dev/fuse /dev/other rw");
  assertEquals(at("/dev/fuse::r"), "/dev/fuse /dev/fuse r");
  for (const bad of ["fuse", "", "/dev/fuse:x", "/dev/fuse:/a:rr", "/dev/fuse:/a:x", "/a:/b:r:c", "vendor.com/gpu=0"]) {
    assertThrows(() => readDevice(bad), MiniError, `--device ${JSON.stringify(bad)}`);
  }
});

Deno.test("--device-cgroup-rule is as in cgroup v1", () => {
  assertEquals(readDeviceRule("c 10:200 rwm"), { allow: true, type: "c", major: 10, minor: 200, access: "rwm" });
  assertEquals(readDeviceRule("b *:* r"), { allow: true, type: "b", access: "r" });
  assertEquals(readDeviceRule("a 7:* m"), { allow: true, type: "a", major: 7, access: "m" });
  for (
    const bad of ["", "c 1:3", "d 1:3 r", "c 1:3 x", "c 1:3 rr", "c 1.3 r", "c -1:3 r", "c 4096:0 r", "c 1:1048576 r"]
  ) {
    assertThrows(() => readDeviceRule(bad), MiniError, "--device-cgroup-rule");
  }
});

Deno.test("the numbers of a device are those of makedev(3)", () => {
  assertEquals(majorMinor(0x0103), { major: 1, minor: 3 });
  assertEquals(majorMinor(0xfd00), { major: 253, minor: 0 });
  assertEquals(majorMinor(0x100f123), { major: 0xf1, minor: 0x1023 });
});

Deno.test("a device of the host gets a node like the host's, and a rule", () => {
  const { devices, rules } = describeDevices(
    [{ host: "/dev/null", container: "/dev/nothing", access: "r" }],
    [],
    false,
  );
  const { fileMode, ...rest } = devices[0]!;
  assert((fileMode! & 0o777) === fileMode);
  assertEquals([devices.length, rest], [1, {
    host: "/dev/null",
    path: "/dev/nothing",
    type: "c",
    major: 1,
    minor: 3,
    uid: 0,
    gid: 0,
  }]);
  assertEquals(rules, [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", major: 1, minor: 3, access: "r" },
  ]);
});

Deno.test("a folder is every device in it", () => {
  const { devices, rules } = describeDevices([{ host: "/dev", container: "/dev/host", access: "rw" }], [], false);
  assert(devices.some((d) => d.path === "/dev/host/null"));
  assert(devices.every((d) => d.path.startsWith("/dev/host/") && !d.path.startsWith("/dev/host/pts/")));
  assertEquals(rules.length, devices.length + 1);
});

Deno.test("what is no device is refused", () => {
  const describe = (host: string) => () => describeDevices([{ host, container: host, access: "rwm" }], [], false);
  assertThrows(describe("/etc/passwd"), MiniError, "--device /etc/passwd: it is not a device");
  assertThrows(describe("/dev/there-is-none"), MiniError, "no such device");
  assertThrows(describe("/etc"), MiniError, "no device in it");
});

Deno.test("everything is every device of the host, those that were asked for in their own places", () => {
  const request = { host: "/dev/null", container: "/dev/zero", access: "r" };
  const { devices, rules } = describeDevices([request], [], true);
  assertEquals(rules, [{ allow: true, access: "rwm" }]);
  assertEquals(devices.filter((d) => d.path === "/dev/zero").map((d) => d.minor), [3]);
  assert(devices.some((d) => d.path === "/dev/full"));
});

Deno.test("in a user namespace the host's own nodes are mounted, since none can be made", () => {
  const asked = describeDevices([{ host: "/dev/null", container: "/dev/x", access: "rw" }], [], false);
  assertEquals(placeDevices(asked, true), {
    devices: [],
    mounts: [{ destination: "/dev/x", type: "bind", source: "/dev/null", options: ["bind"] }],
  });
  const { devices, mounts } = placeDevices(asked, false);
  assertEquals([devices.map((d) => d.path), "host" in devices[0]!, mounts], [["/dev/x"], false, []]);
});

Deno.test("a device has the numbers that it has when the container is started", () => {
  const spec = {
    ociVersion: "1.2.0",
    root: { path: "/" },
    process: { cwd: "/", args: [""], user: { uid: 0, gid: 0 } },
    linux: {
      devices: [{ path: "/dev/x", type: "c" as const, major: 9, minor: 9 }],
      resources: { pids: { limit: 5 }, devices: [{ allow: true, type: "c" as const, major: 9, minor: 9 }] },
    },
  };
  const config = {
    devices: [{ host: "/dev/null", container: "/dev/x", access: "r" }],
    deviceRules: [{ allow: true, type: "b", access: "r" }],
  } as unknown as ContainerConfig;
  const { linux } = withDevicesOfNow(spec, config);
  assertEquals(linux?.devices?.map((d) => [d.path, d.major, d.minor]), [["/dev/x", 1, 3]]);
  assertEquals(linux?.resources, {
    pids: { limit: 5 },
    devices: [
      { allow: false, access: "rwm" },
      { allow: true, type: "c", major: 1, minor: 3, access: "r" },
      { allow: true, type: "b", access: "r" },
    ],
  });
  assertEquals(withDevicesOfNow(spec, {} as ContainerConfig), spec);
  const gone = { devices: [{ host: "/dev/gone", container: "/dev/x", access: "r" }] } as unknown as ContainerConfig;
  assertThrows(() => withDevicesOfNow(spec, gone), MiniError, "--device /dev/gone");
});
