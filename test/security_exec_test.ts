/** Programs in a container that do not let go of whoever runs them: they keep streams open, print without end. */
import { assertEquals } from "@std/assert";
import { miniTest, runCommand, until } from "./harness.ts";
import { inTerminal } from "./pty.ts";

miniTest(
  "what a program has left running does not keep its command, and loses nothing that was printed before",
  async (context) => {
    const { mini, start, command } = context;
    assertEquals((await mini(["run", "-d", "--name", "web", "starter", "sleep", "1000"])).status, 0);
    const exec = ["exec", "web", "sh", "-c"];
    // Whoever reads it takes its time, and there is more than a pipe holds.
    const slow = await runCommand([
      ...["sh", "-c", '"$@" | { sleep 3; wc -c; }', "sh", ...command, ...exec],
      "sleep 1000 & head -c 300000 /dev/zero; echo end",
    ]);
    assertEquals([slow.stdout, slow.stderr], ["300004\n", ""]);
    const on = await mini([...exec, "while :; do echo on; done & echo begun; exit 4"]);
    assertEquals([on.status, on.stdout.includes("begun\n"), on.stderr], [4, true, ""]);
    const line = [...command, "exec", "-t", "web", "sh", "-c", "trap '' HUP; sleep 1000 & exit 5"];
    assertEquals(await inTerminal(line), { status: 5, stdout: "", stderr: "" });
    // A signal ends the waiting, and is sent to nobody.
    const waiting = start([...exec, "sleep 1000 & echo begun"]);
    await until("its output", () => waiting.stdout() === "begun\n");
    await until("its end", async () => !/echo begun/.test((await mini(["exec", "web", "ps"])).stdout));
    waiting.kill("SIGTERM");
    assertEquals(await waiting.output, { status: 0, stdout: "begun\n", stderr: "" });
    await mini(["rm", "-f", "web"]);
  },
);
