/** What this runtime can do: OCI runtime-spec, features.md and features-linux.md. */
import { hasDetachedMounts } from "../../ffi/available.ts";
import { CAPABILITIES } from "../../runtime/capabilities.ts";
import { MOUNT_OPTIONS } from "../../runtime/mount_options.ts";
import { ACTIONS, FLAGS, OPERATORS } from "../../runtime/seccomp_rules.ts";
import { OF_MACHINE } from "../../runtime/seccomp_verdicts.ts";
import { CLONE_FLAG } from "../../runtime/plan.ts";
import { OCI_VERSION } from "../../runtime/spec.ts";

/** @param version of this program. */
export function features(version: string) {
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: OCI_VERSION,
    hooks: ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
    mountOptions: MOUNT_OPTIONS,
    linux: {
      namespaces: Object.keys(CLONE_FLAG).sort(),
      capabilities: CAPABILITIES,
      cgroup: { v1: false, v2: true, systemd: false, systemdUser: false, rdma: true },
      seccomp: {
        enabled: true,
        actions: [...ACTIONS.keys()],
        operators: [...OPERATORS],
        archs: OF_MACHINE[Deno.build.arch],
        knownFlags: [...FLAGS.keys()],
        supportedFlags: [...FLAGS.keys()],
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: false },
      mountExtensions: { idmap: { enabled: hasDetachedMounts() } },
    },
    annotations: {
      "org.opencontainers.runc.checkpoint.enabled": "true",
      "mini.version": version,
    },
    potentiallyUnsafeConfigAnnotations: [],
  };
}
