/** `mini inspect`, of containers and images, in the shape of `docker inspect`. */
import { MiniError } from "../ffi/errors.ts";
import { Containers, NoSuchContainer } from "../engine/containers.ts";
import { inspection } from "../engine/inspect.ts";
import type { Globals, Invocation } from "./command.ts";
import { forEachInspected } from "./inspect_output.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const type = flags.string("type");
  return await forEachInspected(args, flags.string("format"), (name) => describe(name, type, globals));
}

/** A container of that name, else an image, as in Docker. */
async function describe(name: string, type: string | undefined, globals: Globals): Promise<unknown> {
  const containers = new Containers(globals.root, globals.state);
  if (type !== "image") {
    try {
      return inspection(containers, await containers.get(name));
    } catch (error) {
      if (type === "container" || !(error instanceof NoSuchContainer)) throw error;
    }
  }
  try {
    return (await import("../engine/images.ts")).describeImage(globals.root, name);
  } catch (error) {
    if (type === "image" || !(error instanceof MiniError)) throw error;
    throw new MiniError(`there is no container and no image ${name}; 'mini ps -a' and 'mini images' list them`);
  }
}
