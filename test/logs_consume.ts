/**
 * A process that consumes a container's output until it is told to end, for tests that kill it:
 *
 *     deno run -A test/logs_consume.ts STATE LOGS MAX_BYTES MAX_FILES [PID DESCRIPTOR]
 *
 * With the last two it takes that process's descriptor for the container's terminal. It writes a line when it begins, when
 * somebody else is at it, and when it has come to its end.
 */
import { syscall } from "../ffi/kernel.ts";
import { LogConsumer } from "../engine/logs/consumer.ts";

const [stateFolder = "", logFolder = "", maxBytes, maxFiles, pid, descriptor] = Deno.args;
const limits = { maxBytes: Number(maxBytes), maxFiles: Number(maxFiles) };
const terminal = pid === undefined
  ? undefined
  : syscall("pidfd_getfd", syscall("pidfd_open", Number(pid), 0), Number(descriptor), 0);
const consumer = LogConsumer.open({ stateFolder, logFolder, limits, terminal });
if (!consumer) {
  console.log("busy");
  Deno.exit(1);
}
consumer.running.catch((error) => {
  console.log(`failed: ${error}`);
  Deno.exit(1);
});
Deno.addSignalListener("SIGTERM", async () => {
  await consumer.end();
  console.log("ended");
  Deno.exit(0);
});
console.log("consuming");
