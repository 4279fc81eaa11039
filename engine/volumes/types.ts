/** What volumes and the mounts of a container are, as flags ask for them and as they are written down. */

/** A mount of a container: what a flag, an image or another container asks for. JSON, a part of the container's record. */
export interface ContainerMount {
  readonly type: "bind" | "volume" | "tmpfs";
  /** Where in the container: absolute, without `.`, `..` and doubled slashes. */
  readonly destination: string;
  readonly readonly: boolean;
  /** Options of its entry in the OCI specification. */
  readonly options: readonly string[];
  /** What asked for it: a flag, the image's configuration, or another container through --volumes-from. */
  readonly by: "volume" | "mount" | "tmpfs" | "image" | "volumes-from";
  /** The third word of `-v`, `ro` for example, or all options of `--tmpfs`: what `inspect` shows. */
  readonly mode?: string;

  /** Of a bind mount: an absolute path of the host. */
  readonly source?: string;
  /** Of a bind mount: only its top is read-only, and what is mounted below can be written to. */
  readonly writableBelow?: boolean;
  /** Of a bind mount: a source that is missing becomes an empty folder. */
  readonly createSource?: boolean;

  /** Of a volume: its name. Without one it is made for this container. */
  readonly name?: string;
  /** Of a volume: it was made for a container and never given a name, so it goes with `rm -v` and `--rm`. */
  readonly anonymous?: boolean;
  /** Of a volume: it is not filled from the image. */
  readonly noCopy?: boolean;
  /** Of a volume: only what is at this path in it. */
  readonly subpath?: string;
  /** Of a volume: how it is made if it is not there. */
  readonly driver?: string;
  readonly driverOptions?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A mount with all that is needed to make it: a volume has its name. */
export type DecidedMount = ContainerMount & ({ readonly type: "bind" | "tmpfs" } | { readonly name: string });

/** How a volume is to be made. */
export interface VolumeOptions {
  /** `local` without one. */
  readonly driver?: string | undefined;
  readonly driverOptions?: Readonly<Record<string, string>> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly anonymous?: boolean | undefined;
}

/** A volume as `ROOT/volumes/NAME/volume.json` describes it. */
export interface Volume {
  readonly version: number;
  readonly name: string;
  readonly driver: string;
  /** The driver's own: `type`, `device` and `o` of `local`. */
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly created: string;
  /** Made for a container by itself. */
  readonly anonymous: boolean;
}
