/** Deno opens its inspector at SIGUSR1, to every user of the host: no command of mini lets it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { miniTest } from "./harness.ts";

miniTest("SIGUSR1 ends a command that runs no container, and opens no inspector", async ({ start }) => {
  // A registry that never answers keeps the command waiting.
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr as Deno.NetAddr;
  const pull = start(["pull", "-q", `127.0.0.1:${port}/some/image`]);
  using _connection = await silent.accept();
  // Deno begins to listen to the signal half a second after its start.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  pull.kill("SIGUSR1");
  const { status, stderr } = await pull.output;
  assert(!stderr.includes("Debugger"), stderr);
  assertEquals(status, 138);
  await assertRejects(() => Deno.connect({ hostname: "127.0.0.1", port: 9229 }), Deno.errors.ConnectionRefused);
});
