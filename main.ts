import { main } from "./cli/main.ts";

// A worker of ours runs this same module: in the one file there is no other.
if (self.name === "") Deno.exit(await main(Deno.args));
else await (await import("./cli/worker.ts")).work(self.name);
