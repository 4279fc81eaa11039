/** What a new container may do and whose namespaces it is in: what the flags say, settled for one container. */
import { LOCK_EX, O_DIRECTORY } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import type { Mount, NamespaceType, Spec } from "../runtime/spec.ts";
import { sysctlNamespace } from "../runtime/spec_check.ts";
import { labelSpec } from "./labels.ts";
import type { Containers } from "./containers.ts";
import {
  containerOf,
  type IpcMode,
  isContainerMode,
  isOwnNetwork,
  type NamespaceMode,
  type NamespaceModes,
  type NetworkMode,
  readModes,
} from "./namespaces.ts";
import type { ContainerConfig, ContainerRecord } from "./record.ts";
import { readSecurityOptions, type SecurityOptions } from "./security_options.ts";
import {
  allocate,
  hostId,
  identityMap,
  type IdMaps,
  isIdentity,
  rangeMaps,
  readSubids,
  readUserns,
  type UsernsMode,
} from "./userns.ts";

/** What the user asked for. */
export interface RightsOptions {
  readonly security: SecurityOptions;
  readonly modes: NamespaceModes;
  readonly userns: UsernsMode;
  /** As it was written, for whoever inspects the container. */
  readonly written: { readonly userns: string | undefined; readonly securityOptions: readonly string[] };
}

/** The flags of that, as they were written. */
export interface RightsFlags extends Partial<Record<"ipc" | "pid" | "uts" | "userns", string | undefined>> {
  readonly privileged: boolean;
  readonly securityOptions: readonly string[];
}

/** Reads them. @throws {MiniError} */
export const readRights = (flags: RightsFlags): RightsOptions => ({
  security: readSecurityOptions(flags.securityOptions, flags.privileged),
  modes: readModes(flags),
  userns: readUserns(flags.userns),
  written: { userns: flags.userns, securityOptions: flags.securityOptions },
});

/** What of it is written down: what is not as usual. */
export const rightsConfig = (
  { ipc, pid, uts, security }: Rights,
  { written: { userns, securityOptions } }: RightsOptions,
): Partial<ContainerConfig> => ({
  ...ipc === "private" ? {} : { ipc },
  ...pid === "private" ? {} : { pid },
  ...uts === "private" ? {} : { uts },
  ...userns === undefined ? {} : { userns },
  ...security.privileged ? { privileged: true } : {},
  ...securityOptions.length === 0 ? {} : { securityOptions: [...securityOptions] },
});

/** The same for one container: other containers by their ids, and ids that are its own. */
export interface Rights {
  readonly security: SecurityOptions;
  readonly network: NetworkMode;
  readonly ipc: IpcMode;
  readonly pid: NamespaceMode;
  readonly uts: NamespaceMode;
  /** Without one it has the host's user namespace. */
  readonly userns: { readonly maps: IdMaps; readonly container?: string } | undefined;
  /** The container whose network, and with it names and files in /etc, it shares. */
  readonly networkOf: ContainerRecord | undefined;
  /** The host name that is not its own; undefined if it has one of its own. */
  readonly hostname: string | undefined;
  /** Others may have the same ids from now on: not before its own are written down. */
  close(): void;
}

/**
 * Finds the containers that are named and takes ids that nobody has.
 *
 * @param hostname whether one was given by hand. @throws {MiniError} for what does not go together, or is not there.
 */
export function settleRights(
  containers: Containers,
  { security, modes, userns }: RightsOptions,
  network: NetworkMode,
  hostname: boolean,
): Rights {
  const named = new Map<string, ContainerRecord>();
  const resolve = <T extends string>(mode: T): T => {
    if (!isContainerMode(mode)) return mode;
    const record = containers.recordOf(containerOf(mode));
    named.set(record.id, record);
    return `container:${record.id}` as T;
  };
  const recordOf = (mode: string) => isContainerMode(mode) ? named.get(containerOf(mode)) : undefined;
  const settled = { network: resolve(network), pid: resolve(modes.pid), uts: resolve(modes.uts) };
  const networkOf = recordOf(settled.network), utsOf = recordOf(settled.uts);
  if (hostname && (settled.uts !== "private" || networkOf)) {
    throw new MiniError(
      `--hostname does not go together with ${
        networkOf ? "another container's network" : "a host name that is not its own"
      }: leave one of them out`,
    );
  }
  const ipc = sharedIpc(resolve(modes.ipc), recordOf);
  const ids = settleUserns(containers, userns);
  try {
    checkUserns(ids.userns, settled.pid);
  } catch (error) {
    ids.close();
    throw error;
  }
  return {
    security,
    ...settled,
    ipc,
    userns: ids.userns,
    networkOf,
    hostname: settled.uts === "host" || (settled.uts === "private" && settled.network === "host" && !hostname)
      ? Deno.hostname()
      : (utsOf ?? networkOf)?.config.hostname,
    close: ids.close,
  };
}

/** Another container's IPC is shared only if that was made for it, as in Docker. */
function sharedIpc(mode: IpcMode, recordOf: (mode: string) => ContainerRecord | undefined): IpcMode {
  const other = recordOf(mode), theirs = other?.config.ipc ?? "private";
  if (!other || theirs === "shareable" || isContainerMode(theirs)) return mode;
  if (theirs === "host") return "host";
  throw new MiniError(
    `container ${other.name} keeps its IPC to itself, so nobody can join it: it would have to be run with --ipc shareable`,
  );
}

/** A /proc of a pid namespace can be mounted only in the user namespace that the pid namespace belongs to. */
function checkUserns(userns: Rights["userns"], pid: NamespaceMode): void {
  if (!userns || pid === "private") return;
  if (userns.container !== undefined && pid === `container:${userns.container}`) return;
  throw new MiniError(
    `--userns and --pid ${
      pid === "host" ? "host" : "container"
    } do not go together: processes of another user namespace cannot be shown; join both of one container, or neither`,
  );
}

/** Takes the ids. What `auto` takes is taken by nobody else until the record that has it is written, and this is closed. */
function settleUserns(
  containers: Containers,
  mode: UsernsMode,
): { userns: Rights["userns"]; close(): void } {
  const done = (userns: Rights["userns"]) => ({ userns, close: () => {} });
  if (mode.kind !== "host" && mode.kind !== "container" && ownNamespace()) {
    throw new MiniError(
      `--userns ${mode.kind}: without root every container has a user namespace, in which root is you and the other ids are ` +
        "those that /etc/subuid gives you; other ones need root",
    );
  }
  switch (mode.kind) {
    case "host":
      return done(undefined);
    case "keep-id": {
      const own = (file: string) => identityMap(Deno.readTextFileSync(`/proc/self/${file}`));
      return done({ maps: { uidMappings: own("uid_map"), gidMappings: own("gid_map") } });
    }
    case "range":
      return done({ maps: rangeMaps(mode.uid, mode.gid, mode.size) });
    case "container": {
      const { id, idMaps } = containers.recordOf(mode.name);
      return done(idMaps && { maps: idMaps, container: id });
    }
    case "auto": {
      const lock = open(containers.folder(""), O_DIRECTORY);
      try {
        syscall("flock", lock, LOCK_EX);
        // A record that cannot be read may have any ids: whoever asks for it is told, and it is not run.
        const taken = containers.records(() => {}).flatMap(({ idMaps }) => idMaps ? [idMaps] : []);
        const ranges = (file: string) => readSubids(file, readIfThere(file));
        const maps = allocate(mode.size, ranges("/etc/subuid"), ranges("/etc/subgid"), taken);
        return { userns: { maps }, close: () => close(lock) };
      } catch (error) {
        close(lock);
        throw error;
      }
    }
  }
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Where another container's /dev/shm comes from, until it is known where that is (join.ts). */
export const SHM = "/dev/shm";

/**
 * The specification with these rights. Namespaces of other containers have `container:ID` in the place of a path: where they
 * are is known when the container is started.
 *
 * @param root mini's own folder: files in it have the ids that they have inside. @throws {MiniError}
 */
export function applyRights(spec: Spec, rights: Rights, root: string): Spec {
  const linux = spec.linux ?? {};
  checkSysctls(linux.sysctl ?? {}, rights);
  const { security, userns } = rights, { uid, gid, additionalGids = [] } = spec.process.user;
  if (userns) checkIds(userns.maps, uid, [gid, ...additionalGids]);
  const modes: Partial<Record<NamespaceType, string>> = {
    network: rights.network,
    ipc: rights.ipc,
    pid: rights.pid,
    uts: rights.uts,
  };
  const namespaces = (linux.namespaces ?? []).flatMap((namespace) => {
    const mode = modes[namespace.type];
    if (mode === "host") return [];
    return [mode !== undefined && isContainerMode(mode) ? { ...namespace, path: mode } : namespace];
  });
  if (userns) {
    namespaces.push({
      type: "user",
      ...userns.container === undefined ? {} : { path: `container:${userns.container}` },
    });
  }
  const { hostname, domainname, ...rest } = spec;
  return labelSpec({
    ...rest,
    ...hostname === undefined || rights.uts !== "private" ? {} : { hostname },
    ...domainname === undefined || rights.uts !== "private" ? {} : { domainname },
    process: { ...spec.process, noNewPrivileges: security.noNewPrivileges },
    mounts: (spec.mounts ?? []).flatMap((mount) => adaptMount(mount, rights, root)),
    linux: {
      ...linux,
      namespaces,
      ...userns ? userns.maps : {},
      maskedPaths: security.openSystemPaths ? [] : linux.maskedPaths ?? [],
      readonlyPaths: security.openSystemPaths ? [] : linux.readonlyPaths ?? [],
    },
  }, security);
}

/** @throws {MiniError} for whom the user namespace has no id: nobody there can be that. */
function checkIds({ uidMappings, gidMappings }: IdMaps, uid: number, gids: readonly number[]): void {
  const group = gids.find((gid) => hostId(gidMappings, gid) === undefined);
  const who = hostId(uidMappings, uid) === undefined
    ? `user ${uid}`
    : group === undefined
    ? undefined
    : `group ${group}`;
  if (who === undefined) return;
  throw new MiniError(
    `the container's user namespace has no id for ${who}: give it more of them with --userns, or choose others with --user`,
  );
}

function adaptMount(mount: Mount, { security, ipc, network, userns }: Rights, root: string): Mount[] {
  const { destination, type, source, options = [] } = mount;
  const with_ = (change: Partial<Mount>) => [{ ...mount, ...change }];
  // Which namespace a file system shows decides who may mount it: only whoever its user namespace belongs to.
  const notOurs = (mode: string) =>
    userns !== undefined && mode !== "private" && mode !== "none" && mode !== "shareable";
  switch (`${type} ${destination}`) {
    case "tmpfs /dev/shm":
      if (ipc === "none") return [];
      if (ipc === "host") return with_({ type: "bind", source: SHM, options: ["rbind"] });
      return isContainerMode(ipc) ? with_({ type: "bind", source: ipc, options: ["bind"] }) : [mount];
    case "mqueue /dev/mqueue":
      // The queues that it shows are those of the IPC namespace that it is mounted in.
      return notOurs(ipc) ? [] : [mount];
    case "sysfs /sys":
      if (notOurs(network === "none" || isOwnNetwork(network) ? "private" : network)) {
        return with_({ type: "bind", source: "/sys", options: ["rbind", "rnosuid", "rnodev", "rnoexec", "rro"] });
      }
      return security.privileged ? with_({ options: options.filter((o) => o !== "ro") }) : [mount];
    case "cgroup /sys/fs/cgroup":
      return security.privileged ? with_({ options: options.filter((o) => o !== "ro") }) : [mount];
    case "devpts /dev/pts":
      // The group of terminals, where the user namespace has no such group.
      return userns && hostId(userns.maps.gidMappings, 5) === undefined
        ? with_({ options: options.filter((o) => o !== "gid=5") })
        : [mount];
  }
  // What is mini's own on the host is the container's own inside.
  const own = type === "bind" && source?.startsWith(`${root}/`) && isMapped(userns);
  return own ? with_({ options: [...options, options.includes("rbind") ? "ridmap" : "idmap"] }) : [mount];
}

/** Whether files have other ids on the host than inside. */
export const isMapped = (userns: Rights["userns"]): boolean =>
  userns !== undefined && !(isIdentity(userns.maps.uidMappings) && isIdentity(userns.maps.gidMappings));

/** What another container or the host has is not this one's to set. @throws {MiniError} */
function checkSysctls(sysctl: Record<string, string>, { network, ipc, uts }: Rights): void {
  const modes: Partial<Record<NamespaceType, [flag: string, mode: string]>> = {
    network: ["network", network],
    ipc: ["ipc", ipc],
    uts: ["uts", uts],
  };
  for (const key of Object.keys(sysctl)) {
    const type = sysctlNamespace(key), [flag, mode = ""] = (type && modes[type]) ?? [];
    if (mode !== "host" && !isContainerMode(mode)) continue;
    throw new MiniError(
      `--sysctl ${key} needs a ${type} namespace of the container's own, and --${flag} gives it ${
        mode === "host" ? "the host's" : "another container's"
      }`,
    );
  }
}
