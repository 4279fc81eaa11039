import { assertEquals } from "@std/assert";
import type { ContainerRecord } from "../record.ts";
import { mounts } from "./mounts.ts";

const ID = "a".repeat(64);
const TEXT = `\
112 43 0:45 / / rw,relatime - overlay overlay rw,lowerdir=/l/two:/l/one,upperdir=/c/upper,workdir=/c/work
106 112 254:0 /r/volumes/data/data /data rw,relatime - ext4 /dev/vda rw
107 112 254:0 /r/containers/${ID}/hosts /etc/hosts rw,relatime - ext4 /dev/vda rw
108 112 254:0 /srv/a\\040b /srv ro,relatime shared:7 - ext4 /dev/vda rw
113 112 0:47 / /proc rw,nosuid - proc proc rw
126 113 0:6 /null /proc/keys ro,nosuid - devtmpfs devtmpfs rw
124 113 0:53 / /proc/acpi ro - tmpfs tmpfs rw
133 113 0:47 /sys /proc/sys ro - proc proc rw
`;
const record = {
  image: "web",
  layers: ["one", "two"],
  mounts: [{ type: "volume", destination: "/data", name: "data" }],
} as unknown as ContainerRecord;
const specified = [
  { destination: "/proc", type: "proc", source: "proc" },
  { destination: "/data", type: "bind", source: "/r/volumes/data/data", options: ["rbind"] },
  { destination: "/etc/hosts", type: "bind", source: "/r/hosts", options: ["rbind"] },
  { destination: "/srv", type: "bind", source: "/srv/a b", options: ["rbind", "ro"] },
];

Deno.test("what is behind each mount is told", () => {
  const all = mounts(TEXT, record, specified);
  assertEquals(all.map(({ path, behind }) => `${path}: ${behind}`), [
    "/: image web (2 layers) and the container's own changes",
    "/data: volume data",
    "/etc/hosts: hosts, written by mini",
    "/srv: host /srv/a b",
    "/proc: a new proc of its own",
    "/proc/keys: masked: the null device lies over it",
    "/proc/acpi: masked: an empty folder lies over it",
    "/proc/sys: the same, made read-only",
  ]);
  assertEquals(all[0]!.layers, ["/c/upper", "/l/two", "/l/one"]);
  assertEquals(all[3]!.options, ["ro", "relatime"]);
});
