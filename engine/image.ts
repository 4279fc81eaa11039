/** From what people call an image to what is run: looked up, pulled if it is missing, held until the container counts on it. */
import { MiniError } from "../ffi/errors.ts";
import { familiarName, familiarReference, parseReference, withDefaultTag } from "../images/reference.ts";
import { Store } from "../images/store.ts";
import { emitImage } from "./events.ts";
import type { Source } from "./create.ts";

/** When to ask the registry. */
export type PullPolicy = "always" | "missing" | "never";

export interface FindOptions {
  readonly pull: PullPolicy;
  /** `linux/arm64`, as a person writes it. */
  readonly platform?: string | undefined;
  /** No progress on standard error. */
  readonly quiet: boolean;
}

/** Where images are, and where it is told that one was pulled. */
export interface Folders {
  readonly root: string;
  readonly state: string;
}

/**
 * The image of that name or id.
 *
 * @returns what to run; `release` is to be called once a container's record keeps the layers alive.
 * @throws {MiniError} when it is not here and cannot be pulled.
 */
export async function findImage(
  { root, state }: Folders,
  name: string,
  options: FindOptions,
): Promise<Source> {
  const store = new Store(root);
  const isInside = isStarter(name);
  const pull = async () => {
    if (isInside) {
      throw new MiniError(`the image ${name} is in mini itself, for this machine alone: leave out --platform`);
    }
    await pullInto(store, name, options);
    const reference = withDefaultTag(parseReference(name));
    emitImage(state, "pull", familiarReference(reference), familiarName(reference));
  };
  if (isInside) await (await import("../images/starter.ts")).ensureStarter(store);
  if (!isInside && (options.pull === "always" || store.images.resolve(name) === undefined)) await pull();
  else if (options.platform !== undefined) await checkPlatform(store, name, options, pull);
  const lock = store.lock("shared");
  try {
    const image = store.image(name);
    return {
      name,
      imageId: image.id,
      architecture: image.config.architecture,
      diffIDs: image.diffIDs,
      layers: image.layers,
      config: image.config.config ?? {},
      release: () => lock[Symbol.dispose](),
    };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

/** The image that is in mini itself. */
const isStarter = (name: string) => /^(localhost\/)?starter(:latest)?$/.test(name);

async function pullInto(store: Store, name: string, { pull, platform, quiet }: FindOptions): Promise<void> {
  if (pull === "never") {
    throw new MiniError(
      `No such image: ${name}, and --pull never forbids to fetch it; 'mini images' lists what is here`,
    );
  }
  const [images, { createProgress, silent, streamSink }] = await Promise.all([
    import("../images/pull.ts"),
    import("../images/progress.ts"),
  ]);
  // Standard output is the container's.
  const progress = quiet ? silent : createProgress(streamSink(Deno.stderr));
  await images.pull(store, name, { platform, progress });
}

/** An image that is here for another platform than the one asked for is fetched again. */
async function checkPlatform(
  store: Store,
  name: string,
  options: FindOptions,
  pull: () => Promise<void>,
): Promise<void> {
  const { parsePlatform, platformMatches } = await import("../images/platform.ts");
  const { config } = store.image(name);
  if (!platformMatches(config, parsePlatform(options.platform!))) await pull();
}
