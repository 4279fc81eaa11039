/**
 * A process that consumes a container's FIFOs until it is told to end, for tests that kill it: `deno run -A
 * test/logs_consume.ts STATE LOGS MAX_BYTES MAX_FILES`. Writes a line when it begins, and one for what it had to wait for.
 */
import { LogConsumer } from "../engine/logs/consumer.ts";

const [stateFolder = "", logFolder = "", maxBytes, maxFiles] = Deno.args;
const limits = { maxBytes: Number(maxBytes), maxFiles: Number(maxFiles) };
const consumer = LogConsumer.open({ stateFolder, logFolder, limits });
if (!consumer) {
  console.log("busy");
  Deno.exit(1);
}
console.log("consuming");
consumer.running.catch((error) => {
  console.log(`failed: ${error}`);
  Deno.exit(1);
});
Deno.addSignalListener("SIGTERM", async () => {
  await consumer.end();
  console.log("ended");
  Deno.exit(0);
});
