import { op, result } from "../../../ffi/program.ts";
import { showCall } from "../../../ffi/show_call.ts";
import { run } from "./run.ts";

const program = [
  op("openat", [-100, "/etc/passwd", 0, 0], "open a file", { name: "file" }),
  op("lseek", [result("file"), 0, 2], "go to its end: how long is it?"),
  op("chdir", ["/no/such/folder"], "this fails, and is passed over", { optional: true }),
  op("exit_group", [0], "the end"),
];
run(program, {}, (results) => {
  // The first operation of every program is not ours: it shares the memory that results are in.
  program.forEach((operation, i) => console.log(`${results.at(i + 1) ?? "never returns"}\t${showCall(operation)}`));
});
