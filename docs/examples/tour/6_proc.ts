import { CLONE_NEWNS, CLONE_NEWPID } from "../../../ffi/constants.ts";
import { op } from "../../../ffi/program.ts";
import { enterRoot } from "./root.ts";
import { run } from "./run.ts";

run([
  ...enterRoot,
  op("mount", ["proc", "/proc", "proc", 0, 0], "a /proc that shows the namespace of whoever mounts it"),
  op("execve", ["/bin/ps", ["ps", "-o", "pid,args"], []], "who is there?"),
], { flags: CLONE_NEWNS | CLONE_NEWPID });
