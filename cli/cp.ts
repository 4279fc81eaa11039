/** `mini cp`. */
import { MiniError } from "../ffi/errors.ts";
import { Containers } from "../engine/containers.ts";
import { copy, type CopyRequest, type End } from "../engine/copy/cp.ts";
import type { Copied } from "../engine/copy/copy.ts";
import { standardInput } from "./archive_input.ts";
import { writeArchive } from "./archive_output.ts";
import type { Invocation } from "./command.ts";
import { humanSize } from "./human.ts";
import { tell } from "./note.ts";
import { write } from "./output.ts";

export default async function cp({ flags, args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const [source, target] = args.map(splitEnd) as [Named, Named];
  if (source.container === undefined && target.container === undefined) {
    throw new MiniError("neither path is in a container: write one of them as CONTAINER:PATH");
  }
  const archive = flags.boolean("archive"), follow = flags.boolean("follow-link");
  // As in Docker, only a person is told.
  const isWatched = Deno.stdout.isTerminal() && !(flags.boolean("quiet") ?? false);
  const find = async ({ container, path }: Named): Promise<End> =>
    container === undefined ? { path } : { container: await containers.get(container), path };
  const run = async (from: CopyRequest["from"], to: CopyRequest["to"]) => {
    const into = target.container === undefined ? "from" : "to";
    const line = isWatched ? new ProgressLine(`Copying ${into} container`) : undefined;
    try {
      return await copy(containers, {
        from,
        to,
        archive,
        follow,
        ...(line && { onProgress: (bytes) => line.show(bytes) }),
      });
    } finally {
      line?.clear();
    }
  };
  let copied: Copied | undefined;
  if (target.path === "-" && target.container === undefined) {
    if (Deno.stdout.isTerminal()) {
      throw new MiniError(
        "an archive is not for a terminal: name a file or folder instead of -, or redirect the output",
      );
    }
    const from = await find(source);
    await writeArchive(undefined, async (output) => void (copied = await run(from, { output })));
  } else if (source.path === "-" && source.container === undefined) {
    const to = await find(target);
    copied = await run(standardInput("name a file or folder instead of -"), to);
  } else {
    copied = await run(await find(source), await find(target));
  }
  report(copied!);
  if (isWatched) write(`Successfully copied ${humanSize(copied!.bytes)} to ${shown(target)}\n`, Deno.stderr);
  return 0;
}

interface Named {
  readonly container?: string;
  readonly path: string;
}

/** Takes `CONTAINER:PATH` apart. A path of the host with a colon in it begins with `/` or `.`, or has a `/` before it. */
export function splitEnd(text: string): Named {
  const colon = text.indexOf(":");
  if (colon < 0 || /^\.|^[^:]*\//.test(text)) {
    if (text === "") throw new MiniError("a path to copy from or to is empty");
    return { path: text };
  }
  const container = text.slice(0, colon), path = text.slice(colon + 1);
  if (container === "" || path === "") {
    throw new MiniError(`${JSON.stringify(text)} is not of the form CONTAINER:PATH; a file of that name is ./${text}`);
  }
  return { container, path };
}

const shown = ({ container, path }: Named) =>
  container !== undefined ? `${container}:${path}` : path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;

function report({ sockets, devices }: Copied): void {
  const count = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;
  if (sockets > 0) tell(`${count(sockets, "socket")} left out: only the program that made one can use it`);
  if (devices > 0) tell(`${count(devices, "device")} left out: they are copied with -a`);
}

const REDRAW_MILLISECONDS = 100;

/** One line on the terminal that says how far a copy is. */
class ProgressLine {
  #next = Date.now() + REDRAW_MILLISECONDS;
  #isDrawn = false;

  constructor(private readonly what: string) {}

  show(bytes: number): void {
    if (Date.now() < this.#next) return;
    this.#next = Date.now() + REDRAW_MILLISECONDS;
    this.#isDrawn = true;
    write(`\r\x1b[2K${this.what} - ${humanSize(bytes)}`, Deno.stderr);
  }

  clear(): void {
    if (this.#isDrawn) write("\r\x1b[2K", Deno.stderr);
  }
}
