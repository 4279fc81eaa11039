/** A container as `docker inspect` shows one; the fields that this has no counterpart for are left out. */
import { isAbsolute } from "@std/path";
import type { Spec } from "../runtime/spec.ts";
import { explainEnd } from "./limits_end.ts";
import { limitsHostConfig } from "./limits_inspect.ts";
import type { Containers, Found } from "./containers.ts";

const NEVER = "0001-01-01T00:00:00Z";

/** @throws {Deno.errors.NotFound} when the container is removed meanwhile. */
export function inspection(containers: Containers, { record, status, running }: Found): Record<string, unknown> {
  const folder = containers.folder(record.id), { config, end } = record;
  const spec: Spec = JSON.parse(Deno.readTextFileSync(`${folder}/config.json`));
  const mounts = (spec.mounts ?? []).filter((m) => m.type === "bind" && m.source && !m.source.startsWith(folder));
  const etc = (name: string) => isAbsolute(record.image) ? "" : `${folder}/${name}`;
  return {
    Id: record.id,
    Created: record.created,
    Path: config.args[0],
    Args: config.args.slice(1),
    State: {
      Status: status,
      Running: status === "running",
      Paused: false,
      Restarting: false,
      Dead: false,
      Pid: running?.pid ?? 0,
      ExitCode: end?.exitCode ?? 0,
      OOMKilled: end?.oomKilled !== undefined,
      Error: end?.error ?? (end && explainEnd(end)) ?? "",
      StartedAt: record.startedAt ?? NEVER,
      FinishedAt: end?.finishedAt ?? NEVER,
    },
    Image: record.imageId ?? "",
    AppArmorProfile: spec.process.apparmorProfile ?? "",
    ProcessLabel: spec.process.selinuxLabel ?? "",
    MountLabel: spec.linux?.mountLabel ?? "",
    ResolvConfPath: etc("resolv.conf"),
    HostnamePath: etc("hostname"),
    HostsPath: etc("hosts"),
    Name: `/${record.name}`,
    RestartCount: record.restartCount ?? 0,
    Driver: "overlay",
    HostConfig: {
      AutoRemove: record.autoRemove,
      NetworkMode: config.network,
      IpcMode: config.ipc ?? "private",
      PidMode: config.pid ?? "",
      UTSMode: config.uts ?? "",
      UsernsMode: config.userns ?? "",
      Privileged: config.privileged ?? false,
      SecurityOpt: config.securityOptions ?? [],
      Sysctls: spec.linux?.sysctl ?? {},
      MaskedPaths: spec.linux?.maskedPaths ?? [],
      ReadonlyPaths: spec.linux?.readonlyPaths ?? [],
      ReadonlyRootfs: config.readonlyRootfs,
      Init: config.init,
      ...limitsHostConfig(config, spec.linux ?? {}),
      Binds: mounts.map((m) => `${m.source}:${m.destination}`),
    },
    Mounts: mounts.map((m) => ({
      Type: "bind",
      Source: m.source,
      Destination: m.destination,
      Mode: (m.options ?? []).join(","),
      RW: !(m.options ?? []).includes("ro"),
    })),
    Config: {
      Hostname: config.hostname,
      User: config.user,
      Tty: config.tty,
      OpenStdin: config.openStdin,
      Env: config.env,
      Cmd: config.cmd,
      Image: record.image,
      WorkingDir: config.workingDir,
      Entrypoint: config.entrypoint,
      Labels: config.labels,
      StopSignal: config.stopSignal,
    },
  };
}
