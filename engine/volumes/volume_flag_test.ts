import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { MiniError } from "../../ffi/errors.ts";
import { readTmpfs, readVolume } from "./volume_flag.ts";

function refuses(body: () => unknown, ...words: string[]): void {
  const { message } = assertThrows(body, MiniError);
  for (const word of words) assertStringIncludes(message, word);
}

Deno.test("-v with a path of the host, a place, and options", () => {
  assertEquals(readVolume("/a:/b"), {
    type: "bind",
    destination: "/b",
    source: "/a",
    readonly: false,
    options: ["rbind"],
    by: "volume",
    createSource: true,
  });
  assertEquals(readVolume("/a:/b:ro,bind").options, ["bind", "rro"]);
  assertEquals(readVolume("/a:/b:rro,nocopy").options, ["rbind", "rro"]);
  assertEquals([readVolume("/a:/b:ro").readonly, readVolume("/a:/b:ro").mode], [true, "ro"]);
  assertEquals(readVolume("/a:/b:nosuid,rshared,cached").options, ["rbind", "rnosuid", "rshared"]);
  assertEquals(readVolume("./a b#c%20:/b").source, `${Deno.cwd()}/a b#c%20`);
  assertEquals(readVolume("/x/../a/.:/c/.././b/").source, "/a");
  assertEquals(readVolume("/x/../a/.:/c/.././b/").destination, "/b");
});

Deno.test("-v with a volume's name, and with none", () => {
  const common = { type: "volume", destination: "/b", readonly: false, options: ["rbind"], by: "volume" } as const;
  assertEquals(readVolume("data:/b"), { ...common, name: "data" });
  assertEquals(readVolume("/b"), common);
  assertEquals(readVolume("data:/b:ro,nocopy"), {
    ...common,
    name: "data",
    readonly: true,
    options: ["rbind", "rro"],
    mode: "ro,nocopy",
    noCopy: true,
  });
});

Deno.test("-v refuses what it is not", () => {
  for (const text of ["", ":", "/a:", ":/b", "/a:/b:ro:x"]) refuses(() => readVolume(text), "HOST:CONTAINER");
  for (const text of ["/a:b", "data", "data:b", "./a"]) refuses(() => readVolume(text), "absolute");
  for (const text of ["/", "/a/..", "data:/", "/a:/../."]) refuses(() => readVolume(text), "root itself");
  for (const name of ["a", "-a", "_a", "ä", "a b", "a".repeat(256)]) {
    refuses(() => readVolume(`${name}:/b`), "not a name");
  }
  for (const folder of ["a/b", "~/x"]) refuses(() => readVolume(`${folder}:/b`), "absolute path");
  refuses(() => readVolume("/a:/b:nosuch"), "nosuch");
  refuses(() => readVolume("/a:/b:ro,rw"), "ro and rw exclude");
  refuses(() => readVolume("data:/b:rshared"), "rshared", "not about a volume");
  refuses(() => readVolume("data:/b\0"), "NUL");
});

Deno.test("--tmpfs: a place and options that the kernel knows", () => {
  assertEquals(readTmpfs("/t").options, ["nosuid", "nodev", "noexec"]);
  assertEquals(readTmpfs("/t:size=1m,exec").options, ["nosuid", "nodev", "noexec", "size=1m", "exec"]);
  assertEquals(readTmpfs("/t:ro").readonly, true);
  for (const text of ["t", "", ":size=1m"]) refuses(() => readTmpfs(text), "absolute");
  for (const option of ["nosuch", "size", "size=", "size=1,m", "source=/x", "mode=7 7"]) {
    refuses(() => readTmpfs(`/t:${option}`), "no option");
  }
});
