/** `mini monitor`: the one process that watches all containers in the background. */
import { Containers } from "../engine/containers.ts";
import { monitor } from "../engine/monitor/monitor.ts";
import type { Invocation } from "./command.ts";
import { printable, write } from "./output.ts";

export default async function ({ globals }: Invocation): Promise<number> {
  await monitor(new Containers(globals.root, globals.state), (sentence) => {
    write(`${new Date().toISOString()} ${printable(sentence)}\n`, Deno.stderr);
  });
  return 0;
}
