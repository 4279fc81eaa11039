import { assertEquals } from "@std/assert";

/** A process of its own: what is done to a signal's handler cannot be undone. */
const PROGRAM = `
import { redirectSignal } from ${JSON.stringify(new URL("./redirect_signal.ts", import.meta.url).href)};
const seen = [];
Deno.addSignalListener("SIGUSR1", () => seen.push("USR1"));
Deno.addSignalListener("SIGSTKFLT", () => seen.push("STKFLT"));
redirectSignal(10, 16);
for (const wait of [0, 900]) {
  // Deno begins to listen to SIGUSR1 by itself half a second after its start.
  await new Promise((resolve) => setTimeout(resolve, wait));
  Deno.kill(Deno.pid, "SIGUSR1");
  await new Promise((resolve) => setTimeout(resolve, 100));
}
Deno.kill(Deno.pid, "SIGSTKFLT");
await new Promise((resolve) => setTimeout(resolve, 100));
console.log(seen.join());
Deno.exit();
`;

Deno.test("a signal that is redirected arrives as the other one, and opens no inspector", async () => {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, PROGRAM);
    const config = new URL("../deno.json", import.meta.url).pathname;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", "--config", config, file],
      stdin: "null",
    }).output();
    assertEquals([new TextDecoder().decode(stderr), new TextDecoder().decode(stdout)], ["", "STKFLT,STKFLT,STKFLT\n"]);
  } finally {
    await Deno.remove(file);
  }
});
