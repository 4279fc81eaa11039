/** What is written down of a container, `ROOT/containers/ID/container.json`: all that other commands know of it. */

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
  network: "none" | "host";
  init: boolean;
  readonlyRootfs: boolean;
}

/** How a container ended. */
export interface ContainerEnd {
  /** As a shell counts: 128 + n for a signal. */
  exitCode: number;
  finishedAt: string;
  /** Why it could not be run, if that is what happened. */
  error?: string;
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
  config: ContainerConfig;
  end?: ContainerEnd;
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
}

/** Where a container's cgroup is in the host's tree. */
export const cgroupPath = (id: string) => `/mini/${id}`;

/** What `ps` calls it. */
export type ContainerStatus = "created" | "running" | "exited";
