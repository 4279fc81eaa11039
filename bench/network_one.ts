/**
 * Measures from a warm process, in the network namespace that it is started in, what a container's network costs: argument 1 is a
 * folder to work in, argument 2 the number of times. Prints milliseconds as JSON.
 */
import { CLONE_NEWNET } from "../ffi/constants.ts";
import { close } from "../ffi/kernel.ts";
import { op } from "../ffi/program.ts";
import { spawn } from "../ffi/spawn.ts";
import { DEFAULT_CONFIG } from "../network/config.ts";
import { release, reserve } from "../network/container.ts";
import { defaultNetwork } from "../network/manage.ts";
import { NetworkStore } from "../network/store.ts";
import { abandon, answer, makePair } from "../runtime/handshake.ts";
import { awaitNetwork, offerNetwork } from "../runtime/plan_network.ts";
import { orphaned } from "../runtime/plan_process.ts";

const [folder = "", times = "50"] = Deno.args;
const store = new NetworkStore(`${folder}/root`, `${folder}/state`);
const context = { store, config: DEFAULT_CONFIG, isAlive: () => true, note: () => {} };
const made: number[] = [], removed: number[] = [];
for (let i = 0; i < Number(times); i++) {
  // The kernel takes the last one apart meanwhile, and lets nobody else at networks while it does.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const id = i.toString(16).padStart(64, "0"), [ours, theirs] = makePair();
  const program = [...offerNetwork(theirs), ...awaitNetwork(theirs), op("exit_group", [0], "done"), orphaned()];
  const spawned = spawn(program, { flags: CLONE_NEWNET, pass: [theirs] });
  close(theirs);
  const start = performance.now();
  const request = {
    endpoints: [{ network: defaultNetwork(context), aliases: [] }],
    ports: [{ protocol: "tcp", containerPort: 80 } as const],
  };
  const reserved = reserve(context, id, request, () => {});
  await answer(spawned, ours, {
    twice: false,
    takeChild: (first) => Promise.resolve(first),
    network: (pid, socket) => reserved.configure(pid, socket),
  });
  reserved[Symbol.dispose]();
  made.push(performance.now() - start);
  abandon(spawned, ours);
  const end = performance.now();
  release(store, id, reserved.networks);
  removed.push(performance.now() - end);
}
console.log(JSON.stringify({ made, removed }));
