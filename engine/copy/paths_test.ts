import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../../ffi/errors.ts";
import { closeFd } from "../../ffi/files.ts";
import { type Destination, findDestination, findSource, hostSide, placeOf, splitPath } from "./paths.ts";

/** A folder with a file, a folder, and links to both, to each other and to nothing. */
function withFiles(test: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "mini-test-" });
  try {
    Deno.mkdirSync(`${folder}/dir`);
    Deno.writeTextFileSync(`${folder}/file`, "");
    const links = { toDir: "dir", toFile: `${folder}/file`, toNew: "dir/new", a: "b", b: "a" };
    for (const [name, target] of Object.entries(links)) Deno.symlinkSync(target, `${folder}/${name}`);
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("a path is taken apart at its last name, whatever slashes it ends in", () => {
  assertEquals(splitPath("/a/b"), { parent: "/a/", name: "b" });
  assertEquals(splitPath("a//"), { parent: ".", name: "a" });
  assertEquals(splitPath("/a/"), { parent: "/", name: "a" });
  assertEquals(splitPath("/"), { parent: "/", name: "" });
});

Deno.test("a source is a link unless it is followed, has a name unless only what it holds is meant", () => {
  withFiles((folder) => {
    const look = (path: string, follow = false) => {
      const { fd, info, name } = findSource(hostSide, `${folder}/${path}`, follow);
      closeFd(fd);
      return [name, (info.mode & 0o170000).toString(8)];
    };
    assertEquals(look("file"), ["file", "100000"]);
    assertEquals(look("toDir"), ["toDir", "120000"]);
    assertEquals(look("toDir", true), ["toDir", "40000"]);
    assertEquals(look("toDir/"), ["toDir", "40000"]);
    assertEquals(look("dir/."), ["", "40000"]);
    assertEquals(look("toDir/."), ["", "40000"]);
    assertEquals(look("dir/../dir/.."), [folder.split("/").at(-1)!, "40000"]);
    for (const path of ["file/", "file/.", "none", "a/", "toFile/x"]) assertThrows(() => look(path), MiniError, path);
    assertThrows(() => look("a", true), MiniError, "links");
  });
});

Deno.test("a destination is looked up through links, also to where there is nothing yet", () => {
  withFiles((folder) => {
    const look = (path: string) => {
      const found = findDestination(hostSide, `${folder}/${path}`);
      closeFd(found.kind === "folder" ? found.fd : found.parent);
      return found.kind === "folder" ? ["folder"] : [found.kind, found.name, found.asFolder];
    };
    for (const path of ["dir", "dir/", "dir/.", "toDir", "toDir/", ".", "", "dir/.."]) {
      assertEquals(look(path), ["folder"]);
    }
    assertEquals(look("file"), ["file", "file", false]);
    assertEquals(look("toFile"), ["file", "file", false]);
    assertEquals(look("new"), ["nothing", "new", false]);
    assertEquals(look("new/"), ["nothing", "new", true]);
    assertEquals(look("toNew"), ["nothing", "new", false]);
    assertThrows(() => look("none/new"), MiniError, "there is no");
    assertThrows(() => look("file/"), MiniError, "no folder");
    assertThrows(() => look("a"), MiniError, "circle");
    assertThrows(() => findDestination(hostSide, "/dev/null"), MiniError, "neither a folder nor a regular file");
  });
});

Deno.test("a copy goes into a folder by its own name, and anywhere else by the destination's", () => {
  const folder: Destination = { kind: "folder", fd: 3 };
  const at = (kind: "file" | "nothing", asFolder = false): Destination => ({ kind, parent: 4, name: "to", asFolder });
  assertEquals(placeOf(true, "from", folder, "x"), { folder: 3, name: "from" });
  assertEquals(placeOf(true, "", folder, "x"), { folder: 3, name: "" });
  assertEquals(placeOf(true, "", at("nothing"), "x"), { folder: 4, name: "to" });
  assertEquals(placeOf(true, "from", at("nothing", true), "x"), { folder: 4, name: "to" });
  assertEquals(placeOf(false, "from", at("file"), "x"), { folder: 4, name: "to" });
  assertThrows(() => placeOf(true, "from", at("file"), "web:/x"), MiniError, "onto the file web:/x");
  assertThrows(() => placeOf(false, "from", at("nothing", true), "web:/x/"), MiniError, "no folder web:/x/");
});
