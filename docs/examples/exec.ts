// A container that is made, started, and has further programs run in it.
import { Mini } from "../../mod.ts";

const mini = new Mini();
await using made = await mini.create("starter", ["sleep", "1000"], { network: "none", hostname: "workshop" });
await using container = await made.start();
for (const program of [["hostname"], ["sh", "-c", "echo $$ processes: $(ps | grep -c sleep)"]]) {
  await using process = await container.exec(program);
  console.log((await process.text()).trim());
}
