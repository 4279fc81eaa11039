/** `mini import`. */

import { MiniError } from "../ffi/errors.ts";
import { emitImage } from "../engine/events.ts";
import { importImage } from "../images/archive_import.ts";
import { parsePlatform } from "../images/platform.ts";
import { Store } from "../images/store.ts";
import { openInput, standardInput } from "./archive_input.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";

/** Makes an image from a tar archive. */
export default async function importCommand({ flags, args, globals }: Invocation): Promise<number> {
  const [from, name] = args as [string, string?];
  const platform = flags.string("platform"), message = flags.string("message");
  const id = await importImage(new Store(globals.root), await open(from), {
    changes: flags.list("change"),
    message: message ?? `Imported from ${from}`,
    ...(name !== undefined && { name }),
    ...(platform !== undefined && { platform: parsePlatform(platform) }),
  });
  emitImage(globals.state, "import", id);
  write(`${id}\n`);
  return 0;
}

async function open(from: string): Promise<ReadableStream<Uint8Array>> {
  if (from === "-") return standardInput("name a file");
  if (!/^https?:\/\//.test(from)) return await openInput(from);
  let response: Response;
  try {
    response = await fetch(from);
  } catch (error) {
    throw new MiniError(`${from} cannot be fetched: ${(error as Error).message}`);
  }
  if (!response.ok || response.body === null) {
    throw new MiniError(`${from} cannot be fetched: the server says ${response.status}`);
  }
  return response.body;
}
