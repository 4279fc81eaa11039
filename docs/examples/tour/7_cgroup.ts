import { CLONE_NEWCGROUP } from "../../../ffi/constants.ts";
import { close } from "../../../ffi/kernel.ts";
import { op } from "../../../ffi/program.ts";
import { cgroupTree, makeCgroup, removeCgroup } from "../../../runtime/cgroup.ts";
import { run } from "./run.ts";

const { path, fd } = makeCgroup(cgroupTree()!, "/mini-tour");
const look = op("execve", ["/bin/grep", ["grep", "^0::", "/proc/self/cgroup"], []], "in which cgroup am I?");
run([look], { cgroup: fd });
run([op("unshare", [CLONE_NEWCGROUP], "take where we are for the root"), look], { cgroup: fd });
close(fd);
await removeCgroup(path);
