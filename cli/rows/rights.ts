/** The flags about what a new container may do and whose namespaces it is in, for `run` and `create`. */
import type { Flag } from "../command.ts";

const heading = "Isolation and rights";
const join = (name: string, what: string, values: readonly string[]): Flag => ({
  name,
  kind: "string",
  heading,
  placeholder: name,
  values: [...values, "container:"],
  description: `${what}: ${[...values, "container:NAME"].join(", ")}`,
});

export const rightsFlags: readonly Flag[] = [
  { name: "hostname", short: "h", kind: "string", heading, description: "Host name of the container" },
  { name: "domainname", kind: "string", heading, description: "NIS domain name of the container" },
  join("ipc", "IPC and /dev/shm", ["private", "shareable", "none", "host"]),
  join("pid", "Processes that it sees", ["private", "host"]),
  join("uts", "Host name", ["private", "host"]),
  {
    name: "userns",
    kind: "string",
    heading,
    values: ["host", "auto", "auto:size=", "keep-id", "container:"],
    description: "User namespace: host, auto[:size=N], keep-id, UID:GID:SIZE, container:NAME",
  },
  {
    name: "privileged",
    kind: "boolean",
    heading,
    description: "Every capability and device, nothing hidden, read-only or filtered",
  },
  { name: "cap-add", kind: "list", heading, description: "Add a capability" },
  { name: "cap-drop", kind: "list", heading, description: "Drop a capability" },
  {
    name: "security-opt",
    kind: "list",
    heading,
    values: [
      "no-new-privileges",
      "no-new-privileges=false",
      "seccomp=unconfined",
      "seccomp=builtin",
      "seccomp=",
      "apparmor=unconfined",
      "apparmor=",
      "label=disable",
      "label=type:",
      "label=level:",
      "systempaths=unconfined",
    ],
    description: "Security option: no-new-privileges, seccomp, apparmor, label, systempaths",
  },
  { name: "sysctl", kind: "list", heading, description: "Set a kernel parameter, name=value" },
];
