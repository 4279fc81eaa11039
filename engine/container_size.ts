/** How large containers are, as `ps --size` and `inspect --size` count: bytes of files, as an archive would hold them. */
import { Errno, SyscallError } from "../ffi/errors.ts";
import { contentBytes, diskUsage } from "../images/df.ts";
import { Store } from "../images/store.ts";
import type { Containers } from "./containers.ts";
import type { ContainerRecord } from "./record.ts";

/** In bytes. */
export interface ContainerSize {
  /** What the container itself has written. */
  readonly written: number;
  /** All that it sees: that, and its image. */
  readonly virtual: number;
}

/** Measures containers; images are looked up once. */
export class ContainerSizes {
  readonly #containers: Containers;
  #images: ReadonlyMap<string, number> | undefined;

  constructor(containers: Containers) {
    this.#containers = containers;
  }

  #written(id: string): number {
    try {
      return diskUsage(`${this.#containers.folder(id)}/upper`, contentBytes);
    } catch (error) {
      if (error instanceof SyscallError && error.errno === Errno.ENOENT) return 0; // removed meanwhile
      throw error;
    }
  }

  /** @throws {SyscallError} for folders that cannot be read. */
  of({ id, imageId }: ContainerRecord): ContainerSize {
    const written = this.#written(id);
    this.#images ??= new Map(new Store(this.#containers.root).images.list().map((image) => [image.id, image.size]));
    return { written, virtual: written + (this.#images.get(imageId ?? "") ?? 0) };
  }
}
