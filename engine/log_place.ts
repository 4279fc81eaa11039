/** Where the log of a container is. */
import { AT_FDCWD } from "../ffi/constants.ts";
import { trySyscall } from "../ffi/kernel.ts";
import type { Containers } from "./containers.ts";
import type { Keep } from "./foreground.ts";
import { type LogLimits, logLimits } from "./logs/options.ts";
import type { LogWriter } from "./logs/writer.ts";
import type { ContainerRecord } from "./record.ts";

/** The folders of a container's log, and what of it is kept. */
export interface LogPlace {
  readonly stateFolder: string;
  readonly logFolder: string;
  readonly limits: LogLimits;
}

/** Where a container's output goes. Without a log it is a little in the state folder, for those who watch it live. */
export function logPlace(containers: Containers, { id, log }: ContainerRecord): LogPlace {
  const stateFolder = containers.stateFolder(id);
  return {
    stateFolder,
    logFolder: log.driver === "none" ? `${stateFolder}/spool` : `${containers.folder(id)}/logs`,
    limits: logLimits(log),
  };
}

/** The file in a container's state folder that asks the command that shows it to write down what it prints. */
const WATCHED_FILE = "watched";

/** Whether of a container that runs in the foreground all that it prints goes into its log. */
export const isLogged = ({ autoRemove, log }: ContainerRecord) => !autoRemove && log.driver !== "none";

/** Where the output of a container goes that runs in the foreground. */
function foregroundPlace(containers: Containers, record: ContainerRecord): LogPlace {
  return logPlace(containers, isLogged(record) ? record : { ...record, log: { ...record.log, driver: "none" } });
}

/** The same, where those who look at it from elsewhere find what it prints from now on. */
export function watchForeground(containers: Containers, record: ContainerRecord): LogPlace {
  const place = foregroundPlace(containers, record);
  if (!isLogged(record)) Deno.writeTextFileSync(`${place.stateFolder}/${WATCHED_FILE}`, "", { mode: 0o600 });
  return place;
}

/** What a container prints that runs in the foreground, kept if it is logged or watched. Loads nothing before there is output. */
export function foregroundLog(containers: Containers, record: ContainerRecord): { readonly keep: Keep } & Disposable {
  let writer: Promise<LogWriter> | undefined;
  const open = async () => {
    const { logFolder, limits } = foregroundPlace(containers, record);
    return new (await import("./logs/writer.ts")).LogWriter(logFolder, limits);
  };
  const logged = isLogged(record), watched = `${containers.stateFolder(record.id)}/${WATCHED_FILE}`;
  const isWanted = () => logged || writer !== undefined || trySyscall("faccessat", AT_FDCWD, watched, 0) === 0;
  return {
    keep: async (stream, bytes) => {
      if (isWanted()) (await (writer ??= open())).append(stream, bytes);
    },
    [Symbol.dispose]: () => void writer?.then((writer) => writer.close()),
  };
}
