/** Devices of the host for a container: `--device`, `--device-cgroup-rule` and `--privileged`. */
import { MiniError } from "../ffi/errors.ts";
import type { DeviceRule } from "../runtime/resources.ts";
import type { Device, Mount, Spec } from "../runtime/spec.ts";
import { majorMinor } from "./disks.ts";
import type { ContainerConfig } from "./record.ts";

/** A device, or a folder with devices in it, that a container is given. */
export interface DeviceRequest {
  /** Absolute, on the host. */
  readonly host: string;
  /** Absolute, in the container. */
  readonly container: string;
  /** Of `r`, `w` and `m`. */
  readonly access: string;
}

/** What `--device` and its relatives come to, for the specification. */
export interface DeviceSpec {
  /** What was asked for: by path, and by numbers. */
  readonly requests: readonly DeviceRequest[];
  readonly asked: readonly DeviceRule[];
  readonly devices: HostDevice[];
  readonly rules: DeviceRule[];
}

/** A node for the container, and where the host has it. */
export interface HostDevice extends Device {
  readonly host: string;
}

const isAccess = (text: string) => /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;

/** `--device HOST[:CONTAINER[:rwm]]`. @throws {MiniError} */
export function readDevice(text: string): DeviceRequest {
  const [host = "", second, third, ...more] = text.split(":");
  const flag = `--device ${JSON.stringify(text)}`;
  if (/^[\w.-]+\/[\w.-]+=/.test(text)) {
    throw new MiniError(
      `${flag} names a device of the Container Device Interface, which mini does not do: give its path`,
    );
  }
  if (more.length > 0 || !host.startsWith("/")) {
    throw new MiniError(`${flag} is not HOST[:CONTAINER[:rwm]], with absolute paths`);
  }
  const shortAccess = third === undefined && second !== undefined && isAccess(second);
  const container = shortAccess ? host : second || host;
  const access = shortAccess ? second : third ?? "rwm";
  if (!container.startsWith("/")) {
    throw new MiniError(
      `${flag}: ${JSON.stringify(container)} is neither an absolute path in the container nor made of r, w and m`,
    );
  }
  if (!isAccess(access)) throw new MiniError(`${flag}: ${JSON.stringify(access)} is not made of r, w and m`);
  return { host, container, access };
}

/** `--device-cgroup-rule 'c 10:200 rwm'`. @throws {MiniError} */
export function readDeviceRule(text: string): DeviceRule {
  const match = text.match(/^([abc]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/);
  if (!match || !isAccess(match[4]!)) {
    throw new MiniError(
      `--device-cgroup-rule ${JSON.stringify(text)} is not TYPE MAJOR:MINOR ACCESS, as 'c 10:200 rwm' or 'b *:* r'`,
    );
  }
  const [, type, major, minor, access] = match;
  for (const [number, most] of [[major!, 4095], [minor!, 1048575]] as const) {
    if (number !== "*" && Number(number) > most) {
      throw new MiniError(`--device-cgroup-rule ${JSON.stringify(text)}: no device has a number above ${most} there`);
    }
  }
  return {
    allow: true,
    type: type as "a" | "b" | "c",
    ...major === "*" ? {} : { major: Number(major) },
    ...minor === "*" ? {} : { minor: Number(minor) },
    access: access!,
  };
}

/** Nothing but what every container has. */
const NO_OTHERS: DeviceRule = { allow: false, access: "rwm" };

/**
 * The nodes and the rules for what was asked for.
 *
 * @param everything all of the host's devices: --privileged. @throws {MiniError} for what is no device.
 */
export function describeDevices(
  requests: readonly DeviceRequest[],
  rules: readonly DeviceRule[],
  everything: boolean,
): DeviceSpec {
  const given = requests.flatMap((request) => nodesOf(request));
  if (everything) {
    const own = new Set(given.map(({ device }) => device.path));
    const all = nodesBelow("/dev", "/dev").filter((device) => !own.has(device.path));
    return {
      requests,
      asked: rules,
      devices: [...all, ...given.map(({ device }) => device)],
      rules: [{ allow: true, access: "rwm" }],
    };
  }
  return {
    requests,
    asked: rules,
    devices: given.map(({ device }) => device),
    rules: [
      NO_OTHERS,
      ...given.map(({ device: { type, major, minor }, access }): DeviceRule => ({
        allow: true,
        type: type === "b" ? "b" : "c",
        major: major!,
        minor: minor!,
        access,
      })),
      ...rules,
    ],
  };
}

/** The nodes as the specification has them. */
const specDevices = (devices: readonly HostDevice[]): Device[] => devices.map(({ host: _, ...device }) => device);

/**
 * What the specification says of them: nodes, or in a user namespace, where none can be made, mounts of the host's own.
 */
export function placeDevices(
  { devices }: DeviceSpec,
  inUserNamespace: boolean,
): { devices: Device[]; mounts: Mount[] } {
  if (!inUserNamespace) return { devices: specDevices(devices), mounts: [] };
  const mount = ({ host, path }: HostDevice): Mount => ({
    destination: path,
    type: "bind",
    source: host,
    options: ["bind"],
  });
  return { devices: [], mounts: devices.map(mount) };
}

/**
 * The specification with the numbers that the host's devices have now: some get others when the machine is started again.
 *
 * @throws {MiniError} for a device that is not there any more.
 */
export function withDevicesOfNow(spec: Spec, config: ContainerConfig): Spec {
  const { devices: requests = [], deviceRules = [], privileged = false } = config;
  if (requests.length === 0 && !privileged) return spec;
  const now = describeDevices(requests, deviceRules, privileged);
  return {
    ...spec,
    linux: {
      ...spec.linux,
      resources: { ...spec.linux?.resources, devices: now.rules },
      ...spec.linux?.devices ? { devices: specDevices(now.devices) } : {},
    },
  };
}

function nodesOf({ host, container, access }: DeviceRequest): { device: HostDevice; access: string }[] {
  const refuse = (what: string): never => {
    throw new MiniError(`--device ${host}: ${what}`);
  };
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(host);
  } catch (error) {
    return error instanceof Deno.errors.NotFound
      ? refuse("there is no such device on this host")
      : refuse((error as Error).message);
  }
  if (info.isDirectory) {
    const devices = nodesBelow(host, container);
    return devices.length > 0 ? devices.map((device) => ({ device, access })) : refuse("there is no device in it");
  }
  const device = nodeOf(info, host, container);
  return device ? [{ device, access }] : refuse("it is not a device; use --volume to mount a file or folder");
}

/** The node for a device of the host, with its owner and permissions; undefined for what is none. */
function nodeOf(info: Deno.FileInfo, host: string, path: string): HostDevice | undefined {
  if (!info.isBlockDevice && !info.isCharDevice) return undefined;
  return {
    host,
    path,
    type: info.isBlockDevice ? "b" : "c",
    ...majorMinor(info.rdev ?? 0),
    fileMode: (info.mode ?? 0o666) & 0o777,
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
  };
}

/** What is in the host's /dev and is no device of the host: each container has its own, or it comes and goes. */
const NOT_DEVICES: readonly string[] = [
  "pts",
  "shm",
  "fd",
  "mqueue",
  "console",
  "ptmx",
  ".lxc",
  ".lxd-mounts",
  ".udev",
];

/** Every device in a folder of the host and the folders in it; links are not followed. */
function nodesBelow(folder: string, container: string): HostDevice[] {
  const found: HostDevice[] = [];
  for (const { name, isSymlink } of Deno.readDirSync(folder)) {
    const host = `${folder}/${name}`, path = `${container}/${name}`;
    if (isSymlink || NOT_DEVICES.includes(name)) continue;
    let info: Deno.FileInfo;
    try {
      info = Deno.lstatSync(host);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue; // unplugged just now
      throw error;
    }
    if (info.isDirectory) found.push(...nodesBelow(host, path));
    else {
      const device = nodeOf(info, host, path);
      if (device) found.push(device);
    }
  }
  return found.sort((a, b) => a.path < b.path ? -1 : 1);
}
