/** The other engines of a comparison, each with everything it has in a folder of its own. */
import { firstLine } from "./machine.ts";

/** A Docker daemon of our own, which ends when it is disposed of. */
export interface Docker extends AsyncDisposable {
  readonly socket: string;
  /** The daemon and its containerd. */
  readonly servers: readonly number[];
}

/** Starts dockerd with all it has in a folder; undefined where it is not installed. */
export async function startDocker(folder: string): Promise<Docker | undefined> {
  if (!firstLine("dockerd", "--version") || !firstLine("docker", "--version")) return undefined;
  const socket = `unix://${folder}/docker.sock`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/daemon.json`, "{}");
  const daemon = new Deno.Command("dockerd", {
    args: [
      ...["--config-file", `${folder}/daemon.json`, "--host", socket, "--pidfile", `${folder}/docker.pid`],
      ...["--data-root", `${folder}/data`, "--exec-root", `${folder}/exec`, "--storage-driver", "overlay2"],
      ...["--iptables=false", "--ip6tables=false", "--bridge=none"],
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async () => {
    daemon.kill("SIGTERM");
    await daemon.status;
  };
  for (let tries = 0; firstLine("docker", "-H", socket, "version", "-f", "{{.Server.Version}}") === ""; tries++) {
    if (tries === 100) {
      await stop();
      throw new Error("dockerd did not start within twenty seconds");
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const containerd = Number(await Deno.readTextFile(`${folder}/exec/containerd/containerd.pid`));
  return { socket, servers: [daemon.pid, containerd], [Symbol.asyncDispose]: stop };
}

/** The beginning of a podman command with all it has in a folder; undefined where it is not installed. */
export function podmanIn(folder: string): string[] | undefined {
  if (!firstLine("podman", "--version")) return undefined;
  const places = ["--root", `${folder}/root`, "--runroot", `${folder}/run`, "--tmpdir", `${folder}/tmp`];
  return [
    "podman",
    ...places,
    "--storage-driver",
    "overlay",
    "--cgroup-manager",
    "cgroupfs",
    "--events-backend",
    "file",
    // Where crun is installed it is the default, and wants a host whose cgroups are all version 2.
    "--runtime",
    "runc",
  ];
}

/** A name and its command line. */
export interface Engine {
  readonly name: string;
  readonly command: readonly string[];
  /** Flags that its `run` needs to work at all, where another's does without. */
  readonly runFlags: readonly string[];
}

/** Unmounts a folder and everything below it: storage drivers mount their own folders once more. */
export async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await Deno.readTextFile("/proc/self/mounts")).split("\n").map((line) => line.split(" ")[1] ?? "");
  for (const path of mounts.filter((path) => path === folder || path.startsWith(`${folder}/`)).reverse()) {
    await new Deno.Command("umount", { args: [path] }).output();
  }
}

/** Runs a command. @returns what it printed. @throws {Error} when it fails. */
export async function run(command: readonly string[]): Promise<string> {
  const [program = "", ...args] = command;
  const { success, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  if (!success) throw new Error(`${command.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout).trim();
}
