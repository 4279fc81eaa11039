import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import {
  allocate,
  containerId,
  findFree,
  hostId,
  identityMap,
  type IdMaps,
  isIdentity,
  rangeMaps,
  readSubids,
  readUserns,
  SPARE,
} from "./userns.ts";

const refused = (run: () => unknown, ...words: string[]) => {
  for (const word of words) assertThrows(run, MiniError, word);
};

Deno.test("--userns is one of five, and says what is wrong with anything else", () => {
  assertEquals(readUserns(undefined), { kind: "host" });
  assertEquals(readUserns("host"), { kind: "host" });
  assertEquals(readUserns("keep-id"), { kind: "keep-id" });
  assertEquals(readUserns("auto"), { kind: "auto", size: 65536 });
  assertEquals(readUserns("auto:size=1000"), { kind: "auto", size: 1000 });
  assertEquals(readUserns("100000:200000:65536"), { kind: "range", uid: 100000, gid: 200000, size: 65536 });
  assertEquals(readUserns("container:web"), { kind: "container", name: "web" });
  for (
    const [text, word] of [
      ["", "it is host, auto"],
      ["private", "it is host, auto"],
      ["auto:size=0", "not a number of ids"],
      ["auto:size=", "not a number of ids"],
      ["auto:gidmapping=1", "it is host, auto"],
      ["1:2", "it is host, auto"],
      ["1:2:3:4", "it is host, auto"],
      ["-1:2:3", '"-1" is not an id'],
      ["1:x:3", '"x" is not an id'],
      ["1:2:0", "not a number of ids"],
      ["4294967295:0:1", "beyond the last"],
      ["0:4294967290:6", "beyond the last"],
      ["99999999999:0:1", "not an id"],
      ["container:", "name is missing"],
    ] as const
  ) refused(() => readUserns(text), JSON.stringify(text), word);
});

Deno.test("ranges are those of the first user that has any", () => {
  const file = "# comment\n\nalice:100000:65536\ncontainers:300000:10\nroot:200000:65536\ncontainers:400000:20\n";
  assertEquals(readSubids("/etc/subuid", file), [{ first: 300000, size: 10 }, { first: 400000, size: 20 }]);
  assertEquals(readSubids("/etc/subuid", "mini:5:6\n" + file), [{ first: 5, size: 6 }]);
  assertEquals(readSubids("/etc/subuid", "alice:1:2\nroot:3:0\n"), []);
  assertEquals(readSubids("/etc/subuid", "alice:1:2\n1000:3:4\n", ["bob", 1000]), [{ first: 3, size: 4 }]);
  for (const line of ["mini:1", "mini:1:2:3", "mini:x:1", "mini:-1:1", "mini:4294967290:10", ":1:2"]) {
    refused(() => readSubids("/etc/subgid", `a:1:1\n${line}\n`), "/etc/subgid, line 2", JSON.stringify(line));
  }
});

Deno.test("a free range is the highest one that touches none that is taken", () => {
  const range = [{ first: 100, size: 100 }];
  const free = (size: number, ...taken: [number, number][]) =>
    findFree(range, taken.map(([first, size]) => ({ first, size })), size)?.first;
  assertEquals(free(100), 100);
  assertEquals(free(101), undefined);
  assertEquals(free(10), 190);
  assertEquals(free(10, [190, 10]), 180);
  assertEquals(free(10, [195, 100]), 185);
  assertEquals(free(10, [50, 60], [180, 50]), 170);
  assertEquals(free(10, [180, 10]), 190);
  assertEquals(free(11, [180, 10]), 169);
  assertEquals(free(60, [120, 10]), 140);
  assertEquals(free(90, [120, 10]), undefined);
  assertEquals(free(10, [0, 1000]), undefined);
  assertEquals(findFree([{ first: 0, size: 5 }, { first: 10, size: 5 }], [], 5), { first: 10, size: 5 });
  assertEquals(findFree([{ first: 0, size: 5 }, { first: 10, size: 4 }], [], 5), { first: 0, size: 5 });
});

Deno.test("no two of a thousand containers have an id in common, and a removed one's are free again", () => {
  const ranges = [{ first: 1000, size: 900 * 7 }, { first: 50_000, size: 100 * 7 }];
  const taken: IdMaps[] = [];
  for (let i = 0; i < 1000; i++) taken.push(allocate(7, ranges, ranges, taken));
  const firsts = taken.map((maps) => maps.uidMappings[0]!.hostID).sort((a, b) => a - b);
  firsts.forEach((first, i) => assertEquals(i === 0 || first - firsts[i - 1]! >= 7, true));
  refused(() => allocate(7, ranges, ranges, taken), "7 ids", "7000", "/etc/subuid", "auto:size=N");
  const [gone] = taken.splice(500, 1);
  assertEquals(allocate(7, ranges, ranges, taken), gone);
});

Deno.test("users and groups are found apart, and without any line they are those that nobody uses", () => {
  const ten = [{ first: 10, size: 10 }], twenty = [{ first: 20, size: 10 }];
  assertEquals(allocate(10, ten, twenty, []), rangeMaps(10, 20, 10));
  refused(() => allocate(10, ten, twenty, [rangeMaps(99, 20, 10)]), "/etc/subgid");
  assertEquals(allocate(65536, [], [], []).uidMappings[0]!.hostID, SPARE.first + SPARE.size - 65536);
});

Deno.test("ids are translated both ways, and what has none is told apart", () => {
  const { uidMappings } = rangeMaps(1000, 1000, 10);
  assertEquals([hostId(uidMappings, 0), hostId(uidMappings, 9), hostId(uidMappings, 10)], [1000, 1009, undefined]);
  assertEquals([containerId(uidMappings, 1009), containerId(uidMappings, 1010), containerId(uidMappings, 0)], [
    9,
    undefined,
    undefined,
  ]);
  assertEquals([hostId(undefined, 7), containerId(undefined, 7)], [7, 7]);
  assertEquals([isIdentity(uidMappings), isIdentity(identityMap("  0  0 4294967295\n"))], [false, true]);
  assertEquals(identityMap("  0 1000 1\n  1 100000 5\n"), [
    { containerID: 0, hostID: 0, size: 1 },
    { containerID: 1, hostID: 1, size: 5 },
  ]);
});
