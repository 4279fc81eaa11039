// Streams are web streams: here a container sorts what this program writes.
import { Mini } from "../../mod.ts";

const mini = new Mini();
await using sort = await mini.run("starter", ["sort"], { network: "none", stdin: "piped" });
await ReadableStream.from(["pear\n", "apple\n", "fig\n"]).pipeThrough(new TextEncoderStream()).pipeTo(sort.stdin);
for await (const text of sort.stdout.pipeThrough(new TextDecoderStream())) console.log(text.trim());
console.log(await sort.status);
