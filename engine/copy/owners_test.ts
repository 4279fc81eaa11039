import { assertEquals } from "@std/assert";
import type { TreeEntry } from "../../images/tree_walk.ts";
import { ownedBy } from "./owners.ts";

const entry = (more: Partial<TreeEntry>): TreeEntry => ({
  type: "file",
  path: new Uint8Array(),
  linkPath: new Uint8Array(),
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  major: 0,
  minor: 0,
  xattrs: [],
  ...more,
});
const bytes = new Uint8Array([1]);
const IN = { archive: false, into: "container", uid: 0, gid: 0 } as const;
const OUT = { archive: false, into: "host", uid: 1000, gid: 100 } as const;
const xattrs: TreeEntry["xattrs"] = [["security.capability", bytes], ["trusted.x", bytes], ["user.x", bytes]];

Deno.test("with -a an entry stays exactly what it is, in both directions", () => {
  const device = entry({ type: "block", mode: 0o6666, uid: 5, gid: 6, major: 8, xattrs });
  assertEquals(ownedBy({ ...IN, archive: true }, device), device);
  assertEquals(ownedBy({ ...OUT, archive: true }, device), device);
});

Deno.test("into a container everything belongs to root, and keeps powers only if it belonged to root before", () => {
  const roots = ownedBy(IN, entry({ mode: 0o6755, xattrs }))!;
  assertEquals([roots.mode, roots.uid, roots.gid], [0o6755, 0, 0]);
  assertEquals(roots.xattrs.map(([name]) => name), ["security.capability", "user.x"]);
  const users = ownedBy(IN, entry({ mode: 0o6755, uid: 1000, gid: 1000, xattrs }))!;
  assertEquals([users.mode, users.uid, users.gid], [0o755, 0, 0]);
  assertEquals(users.xattrs.map(([name]) => name), ["user.x"]);
});

Deno.test("out of a container everything belongs to the caller, without powers, even if the caller is root", () => {
  for (const owners of [OUT, { ...OUT, uid: 0, gid: 0 }]) {
    const copy = ownedBy(owners, entry({ mode: 0o6755, xattrs }))!;
    assertEquals([copy.mode, copy.uid, copy.gid], [0o755, owners.uid, owners.gid]);
    assertEquals(copy.xattrs.map(([name]) => name), ["user.x"]);
    assertEquals(ownedBy(owners, entry({ type: "char" })), undefined);
  }
});

Deno.test("a folder keeps its setgid and sticky bits, which give nobody rights", () => {
  assertEquals(ownedBy(OUT, entry({ type: "directory", mode: 0o3777 }))!.mode, 0o3777);
});
