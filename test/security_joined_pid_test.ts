/** Processes that may trace, in a pid namespace that others come into: nothing of the host's is ever seen there. */
import { assert, assertEquals } from "@std/assert";
import { assertRefused, miniTest, needsNewerCalls, runCommand, until } from "./harness.ts";
import { inTerminal } from "./pty.ts";

const words = (text: string) => text.split(" ").filter(Boolean);

/** Looks at every process that it sees, all the time: whose root it has, what it may do, and what it holds beside its streams. */
const WATCHER = `
  echo watching
  until [ -e /stop ]; do for p in /proc/[0-9]*; do
    [ -e $p/root/usr/lib/os-release ] && echo "root of the host"
    grep -h ^Cap $p/status
    for fd in $p/fd/*; do case "\${fd##*/}" in 0|1|2|10|255) ;; *) readlink $fd;; esac; done
  done; done 2>/dev/null | sed 's/[0-9]*]$/]/' | sort -u`;

/** What the watcher must not see: anything but these capabilities, and a socket that the process speaks to mini through. */
function assertHarmless(seen: string): void {
  const given = 0xa80c25fbn; // the fourteen, and CAP_SYS_PTRACE
  for (const line of seen.trim().split("\n").slice(1)) {
    const [, rights] = line.match(/^Cap\w+:\t(\w+)$/) ?? [];
    if (rights === undefined) assertEquals(line, "socket:[]");
    else assertEquals(BigInt(`0x${rights}`) & ~given, 0n, line);
  }
}

for (const option of ["", "--security-opt no-new-privileges=false"]) {
  miniTest(
    `a container that may trace finds nothing to take in those that join its pid namespace, nor in exec ${option}`,
    async ({ mini, start, command }) => {
      assert(Deno.statSync("/usr/lib/os-release").isFile);
      const it = words(`run --rm --name it --cap-add SYS_PTRACE ${option} starter sh -c`);
      const running = start([...it, "echo ready; sleep 1000"]);
      await until("the container", () => running.stdout() === "ready\n");
      const watcher = start([...words("exec it sh -c"), WATCHER]);
      await until("the watcher", () => watcher.stdout().includes("watching"));
      for (let i = 0; i < 2; i++) {
        for (const flags of ["", "-t", "--init", "--read-only -u 1000:1000 --cap-drop ALL"]) {
          const line = [
            ...words(`run --rm ${flags} ${option} --pid container:it starter`),
            ...["readlink", "/proc/self/exe"],
          ];
          const path = "/bin/busybox";
          assertEquals(
            flags === "-t" ? await inTerminal([...command, ...line]) : await mini(line),
            { status: 0, stdout: flags === "-t" ? `${path}\r\r\n` : `${path}\n`, stderr: "" },
            flags,
          );
        }
        assertEquals(
          (await mini(words(`run -d ${option} --name other --pid container:it starter sleep 1000`))).status,
          0,
        );
        assertEquals((await mini(words("rm -f other"))).status, 0);
        for (const flags of ["", "-u 1000", "-d"]) {
          assertEquals((await mini(words(`exec ${flags} it true`))).status, 0, flags);
        }
        assertEquals((await inTerminal([...command, ...words("exec -t it true")])).status, 0);
      }
      assertEquals((await mini(words("exec it touch /stop"))).status, 0);
      assertHarmless((await watcher.output).stdout);
      await mini(["kill", "it"]);
      await running.output;
    },
    [needsNewerCalls()],
  );
}

miniTest("where a container cannot come in last, it does not join one that may trace", async ({ mini, command }) => {
  for (const [name, flags] of [["tracing", "--cap-add SYS_PTRACE"], ["other", ""]] as const) {
    assertEquals((await mini(words(`run -d --name ${name} ${flags} starter sleep 1000`))).status, 0);
  }
  const launcher = new URL("./without_calls.ts", import.meta.url).pathname;
  const run = (call: string, other: string) =>
    runCommand([
      ...words(`${Deno.execPath()} run -A --no-check --quiet ${launcher} ${call}`),
      ...command,
      ...words(`run --rm --pid container:${other} starter true`),
    ]);
  assertRefused(await run("open_tree", "tracing"), 125, "CAP_SYS_PTRACE");
  const fine = { status: 0, stdout: "", stderr: "" };
  assertEquals([await run("open_tree", "other"), await run("openat2", "tracing")], [fine, fine]);
  await mini(words("rm -f tracing other"));
}, [needsNewerCalls()]);
