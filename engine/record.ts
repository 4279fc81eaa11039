/** What is written down of a container, `ROOT/containers/ID/container.json`: all that other commands know of it. */

import type { DeviceRule } from "../runtime/resources.ts";
import type { DeviceRequest } from "./devices.ts";
import type { Healthcheck } from "./health/config.ts";
import type { Limits } from "./limits.ts";
import type { IpcMode, NamespaceMode, NetworkMode } from "./namespaces.ts";
import type { IdMaps } from "./userns.ts";
import type { PortWish } from "../network/ports.ts";
import type { LogConfig } from "./logs/options.ts";
import type { DecidedMount } from "./volumes/types.ts";
import type { NamesConfig } from "./names_config.ts";
import type { NetworkAttachment } from "./network_options.ts";

/** The form of this file; a command that meets a newer one says so and leaves it alone. */
export const RECORD_VERSION = 1;

/** How a container is to be run: what the command line and the image say together. */
export interface ContainerConfig {
  hostname: string;
  user: string;
  /** `NAME=value` each, as the program gets them. */
  env: string[];
  /** The program and its arguments. */
  args: string[];
  entrypoint: string[];
  cmd: string[];
  workingDir: string;
  labels: Record<string, string>;
  tty: boolean;
  openStdin: boolean;
  stopSignal: string;
  /** Seconds that it has to end by itself when it is stopped; less than 0: as long as it takes. */
  stopTimeout?: number;
  /** Its NIS domain name. */
  domainname?: string;
  network: NetworkMode;
  /** The networks that it is in when it runs. */
  networks?: readonly NetworkAttachment[];
  /** What was said about names. */
  names?: NamesConfig;
  /** Its ports that are to be published. */
  publish?: readonly PortWish[];
  /** All ports that are exposed are to be published. */
  publishAll?: boolean;
  /** `80/tcp`: ports that the image or the user says something listens at. */
  exposed?: readonly string[];
  /** Whose namespaces it is in, where they are not its own; other containers by their ids. */
  ipc?: IpcMode;
  pid?: NamespaceMode;
  uts?: NamespaceMode;
  /** As it was asked for: auto, keep-id … */
  userns?: string;
  privileged?: boolean;
  securityOptions?: string[];
  init: boolean;
  readonlyRootfs: boolean;
  /** How its health is found out. */
  health?: Healthcheck;
  /** What of the host's resources it may use; without it nothing was said. */
  limits?: Limits;
  /** The host's devices that it was given. */
  devices?: readonly DeviceRequest[];
  deviceRules?: readonly DeviceRule[];
}

/** What is done when a container ends by itself; `--restart`. */
export interface RestartPolicy {
  name: "no" | "on-failure" | "always" | "unless-stopped";
  /** For on-failure: how often at most; 0 without a limit. */
  maximumRetryCount: number;
}

export const DEFAULT_LOG: LogConfig = { driver: "local", options: {} };
export const NO_RESTART: RestartPolicy = { name: "no", maximumRetryCount: 0 };

/** How a container ended. */
export interface ContainerEnd {
  /** As a shell counts: 128 + n for a signal. */
  exitCode: number;
  finishedAt: string;
  /** Why it could not be run, if that is what happened. */
  error?: string;
  /** It could not be started at all, and no policy tries again. */
  final?: boolean;
  /** Something in it was killed because memory was short, and what there was too little of. */
  oomKilled?: string;
}

export interface ContainerRecord {
  version: typeof RECORD_VERSION;
  /** 64 hexadecimal digits. */
  id: string;
  name: string;
  /** When it was made, started; RFC 3339. */
  created: string;
  startedAt?: string;
  /** What the user called the image; a folder for --rootfs. */
  image: string;
  /** The image's digest; absent for --rootfs. */
  imageId?: string;
  /** Diff IDs of its layers, the bottom one first: the image store keeps them as long as this record is there. */
  layers: string[];
  /** Removed when it exits. */
  autoRemove: boolean;
  /** Made to be started by a later command: one that is removed when it exits stays until then. */
  awaited?: true;
  restart: RestartPolicy;
  /** How often in a row it was started again by its restart policy, and when that was last; RFC 3339. */
  restartCount?: number;
  /** It was stopped, so that its policy does not start it again before the next start of the machine. */
  stopped?: "by hand" | "with the machine";
  log: LogConfig;
  config: ContainerConfig;
  /** The ids of its user namespace, which no other container that asks for `auto` gets. */
  idMaps?: IdMaps;
  /** What is mounted into it beside what every container has. */
  mounts?: DecidedMount[];
  /** The containers of --volumes-from, as they were given. */
  volumesFrom?: string[];
  /** Its volumes are just being made. Where nobody is at it any more, it is removed. */
  making?: boolean;
  end?: ContainerEnd;
}

/** A process, and field 22 of its /proc/PID/stat. */
export interface Helper {
  pid: number;
  startTicks?: number;
}

/** The parent of a container in the background. */
export interface ShimState extends Helper {
  /** The number of its descriptor of the terminal's master side. */
  terminal?: number;
  /** The command that shows the container in the foreground, and takes its output as long as it lives. */
  reader?: Helper;
}

/** What is written down while it runs, `STATE/containers/ID/state.json`: the OCI state and what finding it again takes. */
export interface RunningState {
  ociVersion: string;
  id: string;
  status: "creating" | "running";
  /** PID 1 on the host; 0 while it is being made. */
  pid: number;
  bundle: string;
  annotations: Record<string, string>;
  /** Field 22 of /proc/PID/stat, proc(5): with it a number that was given to another process is recognised. */
  pidStartTicks?: number;
  /** The folder of its cgroup. */
  cgroup?: string;
  /** The command that made it run, its parent if there is no shim. */
  owner?: number;
  /** Where there is no shim: the number of the owner's descriptor that the container's standard input is written to. */
  input?: number;
  /** It was made by the very command that starts it, which has promised nothing yet. */
  fresh?: true;
  /** Of a container that may outlive the command that started it. */
  shim?: ShimState;
}

/** What `ps` calls it; `dead` is one whose record is damaged. */
export type ContainerStatus = "created" | "running" | "paused" | "restarting" | "exited" | "dead";

/** Whether its restart policy starts a container again that has ended. */
export function restartIsDue({ restart, restartCount = 0, stopped, end }: ContainerRecord): boolean {
  if (!end || stopped || end.final) return false;
  switch (restart.name) {
    case "always":
    case "unless-stopped":
      return true;
    case "on-failure":
      return end.exitCode !== 0 && (restart.maximumRetryCount === 0 || restartCount < restart.maximumRetryCount);
    case "no":
      return false;
  }
}
