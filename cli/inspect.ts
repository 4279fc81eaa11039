/** `mini inspect`, of containers, images and volumes, in the shape of `docker inspect`. */
import { MiniError } from "../ffi/errors.ts";
import { Containers, type Found, NoSuchContainer } from "../engine/containers.ts";
import { inspection } from "../engine/inspect.ts";
import type { Globals, Invocation } from "./command.ts";
import { forEachInspected } from "./inspect_output.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const type = flags.string("type");
  const withSize = flags.boolean("size");
  return await forEachInspected(args, flags.string("format"), (name) => describe(name, type, globals, withSize));
}

/** A container of that name, else an image, else a volume, as in Docker. */
async function describe(name: string, type: string | undefined, globals: Globals, withSize: boolean): Promise<unknown> {
  const containers = new Containers(globals.root, globals.state);
  if (type === undefined || type === "container") {
    try {
      const found = await containers.get(name), facts = inspection(containers, found);
      return withSize ? { ...facts, ...await sizeOf(containers, found) } : facts;
    } catch (error) {
      if (type !== undefined || !(error instanceof NoSuchContainer)) throw error;
    }
  }
  if (type === undefined || type === "image") {
    try {
      return (await import("../engine/images.ts")).describeImage(globals.root, name);
    } catch (error) {
      if (type !== undefined || !(error instanceof MiniError)) throw error;
    }
  }
  try {
    return (await import("../engine/volumes/inspect.ts")).describeVolume(globals.root, name);
  } catch (error) {
    if (type !== undefined || !(error instanceof MiniError)) throw error;
    throw new MiniError(
      `there is no container, no image and no volume ${name}; 'mini ps -a', 'mini images' and 'mini volume ls' list them`,
    );
  }
}

async function sizeOf(containers: Containers, { record }: Found): Promise<Record<string, number>> {
  const { ContainerSizes } = await import("../engine/container_size.ts");
  const { written, virtual } = new ContainerSizes(containers).of(record);
  return { SizeRw: written, SizeRootFs: virtual };
}
