/** A volume as `docker volume inspect` shows one. */
import { Volumes } from "./store.ts";

/** @throws {NoSuchVolume} @throws {MiniError} for one that is damaged. */
export function describeVolume(root: string, name: string): Record<string, unknown> {
  const volumes = new Volumes(root), volume = volumes.need(name), { driver, labels, options } = volume;
  const orNull = (pairs: Readonly<Record<string, string>>) => Object.keys(pairs).length > 0 ? pairs : null;
  return {
    CreatedAt: volume.created,
    Driver: driver,
    Labels: orNull(labels),
    Mountpoint: volumes.data(name),
    Name: name,
    Options: orNull(options),
    Scope: "local",
  };
}
