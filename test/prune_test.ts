/** What takes room, and giving it back. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { miniTest, until } from "./harness.ts";

miniTest(
  "system prune removes what does not run and keeps what does; system df counts both",
  async ({ mini, start }) => {
    const running = start(["run", "--rm", "--name", "runs", "starter", "sh", "-c", "echo up; exec sleep 1000"]);
    await until("the container runs", () => running.stdout().includes("up"));
    await mini(["run", "--name", "old", "starter", "sh", "-c", "dd if=/dev/zero of=/big bs=1M count=3 2>/dev/null"]);
    await mini(["run", "--name", "kept", "--label", "keep=yes", "starter", "true"]);
    const row = async () =>
      (await mini(["system", "df"])).stdout.split("\n").find((line) => line.startsWith("Containers"));
    assertMatch((await row())!, /^Containers +3 +1 +3\.\d+MB +3\.\d+MB \(9\d%\)$/);
    const labelled = await mini(["system", "prune", "-f", "--filter", "label=keep"]);
    assertMatch(labelled.stdout, /^Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: [\d.]+kB\n$/);
    const rest = await mini(["system", "prune", "-f"]);
    assertMatch(rest.stdout, /^Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: 3\.\d+MB\n$/);
    assertEquals((await mini(["ps", "-a", "--format", "{{.Names}}"])).stdout, "runs\n");
    assertMatch((await row())!, /^Containers +1 +1 +[\d.]+kB +0B \(0%\)$/);
    assert((await mini(["images", "-q"])).stdout !== "");
    await mini(["rm", "-f", "runs"]);
    await running.output;
  },
);
