import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { resolveUser } from "./users.ts";

const FILES = {
  passwd: "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/srv/web:/bin/false\n7:x:500:501::/seven:\n",
  group: "root:x:0:\nwheel:x:10:root,web\nweb:x:33:\nmail:x:8:web\n",
};
const resolve = (spec: string, groups: string[] = []) => {
  const { uid, gid, additionalGids, home } = resolveUser(spec, FILES, groups);
  return [uid, gid, additionalGids.join(), home];
};

Deno.test("users and groups are found by name and number, as Docker finds them", () => {
  assertEquals(resolve(""), [0, 0, "10", "/root"]);
  assertEquals(resolve("root"), [0, 0, "10", "/root"]);
  assertEquals(resolve("web"), [33, 33, "8,10", "/srv/web"]);
  assertEquals(resolve("33"), [33, 33, "8,10", "/srv/web"]);
  assertEquals(resolve("web:wheel"), [33, 10, "", "/srv/web"]);
  assertEquals(resolve("1000"), [1000, 0, "", "/"]);
  assertEquals(resolve("1000:1000", ["mail", "9", "1000"]), [1000, 1000, "8,9", "/"]);
  assertEquals(resolve("7"), [7, 0, "", "/"], "a number is an id, whatever names there are");
});

Deno.test("a number that is no id is never another one", () => {
  for (const text of ["4294967295", "4294967296", "18446744073709551616", "0".repeat(11), "9".repeat(40)]) {
    assertThrows(() => resolve(text), MiniError, "is not a user id");
    assertThrows(() => resolve(`1:${text}`), MiniError, "is not a group id");
    assertThrows(() => resolve("1", [text]), MiniError, "is not a group id");
  }
  for (const text of ["-1", "+0", " 0", "0 ", "0x0", "1e3", "0.0", "٠", "nosuch", "root\n"]) {
    assertThrows(() => resolve(text), MiniError, "no user");
  }
});

Deno.test("what is not USER or USER:GROUP is refused", () => {
  for (const text of ["0:", "0:0:0", ":"]) assertThrows(() => resolve(text), MiniError, "USER:GROUP");
});

Deno.test("hostile lines of passwd and group are passed over", () => {
  const hostile = (line: string) => resolveUser("evil", { passwd: `${line}\n`, group: "" });
  for (
    const line of [
      "evil",
      "evil:x",
      "evil:x::",
      "evil:x:-1:0",
      "evil:x:4294967295:0",
      "evil:x:0x0:0",
      "evil:x: 0:0",
      " evil:x:0:0",
      "evil:x:00000000000:0",
    ]
  ) {
    assertThrows(() => hostile(line), MiniError, "no user");
  }
  // A group that is none is root's, as where the field is empty: the user is what was asked for.
  assertEquals(hostile("evil:x:5:4294967295:::"), { uid: 5, gid: 0, additionalGids: [], home: "/" });
  assertEquals(hostile("evil:x:5:-1::relative:"), { uid: 5, gid: 0, additionalGids: [], home: "/" });
  const groups = resolveUser("web", {
    passwd: FILES.passwd,
    group: "a:x:4294967295:web\nb:x:-1:web\nc:x:5:web,web,\nd\n",
  });
  assertEquals(groups.additionalGids, [5]);
});
