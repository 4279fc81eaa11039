/** `mini inspect`, of whatever has a name, in the shape of `docker inspect`. */
import { MiniError } from "../ffi/errors.ts";
import { Containers, type Found, NoSuchContainer } from "../engine/containers.ts";
import { inspection } from "../engine/inspect.ts";
import type { Globals, Invocation } from "./command.ts";
import { forEachInspected } from "./inspect_output.ts";
import { tell } from "./note.ts";

/** Shows one thing of a kind. */
type Describe = (name: string, globals: Globals, withSize: boolean) => Promise<unknown>;

/** How each kind is shown, in the order in which Docker looks for a name. */
const KINDS: Readonly<Record<string, Describe>> = {
  container: async (name, { root, state }, withSize) => {
    const containers = new Containers(root, state);
    const found = await containers.get(name), facts = inspection(containers, found);
    return withSize ? { ...facts, ...await sizeOf(containers, found) } : facts;
  },
  image: async (name, { root }) => (await import("../engine/images.ts")).describeImage(root, name),
  volume: async (name, { root }) => (await import("../engine/volumes/inspect.ts")).describeVolume(root, name),
  network: async (name, { root, state }) => {
    const [{ Networks }, { networkInspection }] = await Promise.all([
      import("../engine/networks.ts"),
      import("../engine/network_inspect.ts"),
    ]);
    const networks = new Networks(new Containers(root, state), tell), network = networks.get(name);
    return networkInspection(network, await networks.members(network));
  },
};

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const type = flags.string("type"), withSize = flags.boolean("size");
  const find = type === undefined ? findAny : KINDS[type]!;
  return await forEachInspected(args, flags.string("format"), (name) => find(name, globals, withSize));
}

/** The first thing of that name, whatever it is. */
async function findAny(name: string, globals: Globals, withSize: boolean): Promise<unknown> {
  for (const [kind, describe] of Object.entries(KINDS)) {
    try {
      return await describe(name, globals, withSize);
    } catch (error) {
      // A damaged record, or one of several that a beginning fits, is told and not passed over.
      if (!(error instanceof MiniError) || (kind === "container" && !(error instanceof NoSuchContainer))) throw error;
    }
  }
  throw new MiniError(
    `No such object: ${name}; ` +
      `'mini ps -a', 'mini images', 'mini volume ls' and 'mini network ls' list them`,
  );
}

async function sizeOf(containers: Containers, { record }: Found): Promise<Record<string, number>> {
  const { ContainerSizes } = await import("../engine/container_size.ts");
  const { written, virtual } = new ContainerSizes(containers).of(record);
  return { SizeRw: written, SizeRootFs: virtual };
}
