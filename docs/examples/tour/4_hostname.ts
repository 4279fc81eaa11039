import { CLONE_NEWUTS } from "../../../ffi/constants.ts";
import { op } from "../../../ffi/program.ts";
import { run } from "./run.ts";

const before = Deno.hostname();
run([
  op("sethostname", ["tour", 4], "the host name of a namespace of its own"),
  op("execve", ["/bin/hostname", ["hostname"], []], "a program of this machine says what it sees"),
], { flags: CLONE_NEWUTS });
console.log(Deno.hostname() === before ? "and ours is what it was" : "that was ours!");
