import { CLONE_NEWNS } from "../../../ffi/constants.ts";
import { op } from "../../../ffi/program.ts";
import { enterRoot } from "./root.ts";
import { run } from "./run.ts";

run([...enterRoot, op("execve", ["/bin/ls", ["ls", "/"], []], "what is there?")], { flags: CLONE_NEWNS });
