/** The tests that run once more, elsewhere or otherwise than all others. */
import { resolve } from "@std/path";

/** Those that need a host whose cgroups are all version 2, and some more that show what another kernel makes of mini. */
export const MACHINE_TESTS: readonly string[] = [
  "test/devices_test.ts",
  "test/limits_files_test.ts",
  "test/limits_load_test.ts",
  "test/limits_run_test.ts",
  "test/network_drivers_test.ts",
  "test/rootless_limits_test.ts",
  "test/runtime_namespaces_test.ts",
  "test/volumes_nfs_test.ts",
];

/** What kernels lack that are older than Linux 5.12, and what filters refuse that are. */
const NEWER_CALLS = [
  "openat2",
  "open_tree",
  "move_mount",
  "fsopen",
  "fsconfig",
  "fsmount",
  "fspick",
  "mount_setattr",
];
/** The command line in front of one that is to do without them, all that it starts included. For root. */
export const WITHOUT_NEWER_CALLS: readonly string[] = [
  Deno.execPath(),
  "run",
  "-A",
  "--no-check",
  "--quiet",
  resolve(import.meta.dirname!, "../test/without_calls.ts"),
  NEWER_CALLS.join(","),
];

/** Those that have to do with paths in a root, and with mounts: what mini does by these calls, or by others in their place. */
const OLD_KERNEL_TESTS = [
  /^test\/(attach|commit|cp|detached|devices|diff|exec|explain|export|library|oci|rootless|runtime_namespaces|step)_test\.ts$/,
  /^test\/run_(errors|inside|layers|mounts|options|streams|terminal)_test\.ts$/,
  /^test\/(security|volumes)(_(fill|joined_pid|races|rights|root))?_test\.ts$/,
  /^test\/(anatomy|conformance\/.*|cp_attack|images_(hostile|unpack)|rights|userns|volumes_driver)_test\.ts$/,
];
/** Whether a test file runs once more as on an older kernel. */
export const isForOldKernel = (path: string): boolean => OLD_KERNEL_TESTS.some((pattern) => pattern.test(path));
