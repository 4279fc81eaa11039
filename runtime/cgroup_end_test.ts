import { assertEquals } from "@std/assert";
import { limitReached, readCgroupEnd } from "./cgroup_end.ts";

function withFiles(files: Record<string, string>, body: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    for (const [name, content] of Object.entries(files)) Deno.writeTextFileSync(`${folder}/${name}`, content);
    body(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const events = (oom: number, kills: number) =>
  `low 0\nhigh 0\nmax 12\noom ${oom}\noom_kill ${kills}\noom_group_kill 0\n`;

Deno.test("a container that its own memory limit killed is told so", () => {
  const files = { "memory.events": events(1, 1), "memory.max": `${64 << 20}\n`, "pids.events": "max 3\n" };
  withFiles(files, (folder) => {
    const end = readCgroupEnd(folder)!;
    assertEquals(end, { oomKills: 1, ownLimit: true, memoryMax: 64 << 20, pidsRefused: 3 });
    assertEquals(limitReached(end), "memory limit 64 MiB reached (memory.events: oom_kill 1)");
  });
});

Deno.test("one that the host's lack of memory killed is not told that its own limit was", () => {
  withFiles({ "memory.events": events(0, 2), "memory.max": "max\n" }, (folder) => {
    assertEquals(
      limitReached(readCgroupEnd(folder)!),
      "memory of the host, or of a cgroup above the container's, was used up (memory.events: oom_kill 2)",
    );
  });
});

Deno.test("nothing is said where nothing was killed, and nothing known without the controller", () => {
  withFiles({ "memory.events": events(0, 0), "memory.max": "4096" }, (folder) => {
    assertEquals(limitReached(readCgroupEnd(folder)!), undefined);
  });
  withFiles({}, (folder) => assertEquals(readCgroupEnd(folder), undefined));
  assertEquals(readCgroupEnd("/nowhere/at/all"), undefined);
});

Deno.test("a limit is told as a person writes it", () => {
  const sentence = (memoryMax: number) => limitReached({ oomKills: 1, ownLimit: true, memoryMax, pidsRefused: 0 });
  for (const [bytes, text] of [[6 << 20, "6 MiB"], [1.5 * 2 ** 30, "1.5 GiB"], [1000, "1000 bytes"]] as const) {
    assertEquals(sentence(bytes), `memory limit ${text} reached (memory.events: oom_kill 1)`);
  }
});
