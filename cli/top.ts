/** `mini top`: the processes of a container. */
import { MiniError } from "../ffi/errors.ts";
import { Containers } from "../engine/containers.ts";
import { containerPids, readProcess } from "../engine/processes.ts";
import { readHost, topColumns } from "../engine/top.ts";
import type { Invocation } from "./command.ts";
import { layTable, printable, write } from "./output.ts";

/** The narrowest column of Docker's `top`. */
const NARROWEST = 20;

export default async function ({ args, globals }: Invocation): Promise<number> {
  const [name, ...options] = args;
  const columns = topColumns(options);
  const { running, record } = await new Containers(globals.root, globals.state).get(name!);
  if (!running) {
    throw new MiniError(`container ${record.name} is not running, so it has no processes; 'mini ps' lists what runs`);
  }
  const processes = containerPids(running).flatMap((pid) => readProcess(pid) ?? []);
  const host = readHost();
  const rows = processes.map((process) => columns.map(({ show }) => printable(show(process, host))));
  write(layTable([columns.map(({ heading }) => heading), ...rows], NARROWEST));
  return 0;
}
