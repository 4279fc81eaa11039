import { op } from "../../../ffi/program.ts";
import { run } from "./run.ts";

const status = run([
  op("write", [1, "hello, I am two system calls\n", 29], "say it"),
  op("exit_group", [7], "and end"),
]);
console.log(`it ended with status ${status}`);
