import { op } from "../../../ffi/program.ts";
import { lastCapability } from "../../../runtime/container.ts";
import { identityOperations } from "../../../runtime/plan_process.ts";
import { run } from "./run.ts";

const may = ["CAP_CHOWN", "CAP_KILL"];
const process = {
  cwd: "/",
  args: [],
  user: { uid: 0, gid: 0 },
  capabilities: { bounding: may, permitted: may, effective: may },
  noNewPrivileges: true,
};
const look = ["grep", "-E", "^(CapEff|CapBnd|NoNewPrivs)", "/proc/self/status"];
run([...identityOperations(process, lastCapability()), op("execve", ["/bin/grep", look, []], "what may I do?")]);
