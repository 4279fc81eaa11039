// A container, its output, and nothing left of it: sudo deno run -A docs/examples/hello.ts
import { Mini } from "../../mod.ts";

const mini = new Mini();
await using container = await mini.run("starter", ["echo", "hello from a container"], { network: "none" });
console.log((await container.text()).trim());
