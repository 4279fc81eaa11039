/** Where the log of a container is. */
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

/** The log of a container that runs in the foreground; undefined if none is kept of it. Loads nothing before there is output. */
export function foregroundLog(
  containers: Containers,
  record: ContainerRecord,
): { readonly keep: Keep } & Disposable | undefined {
  if (record.autoRemove || record.log.driver === "none") return undefined;
  let writer: Promise<LogWriter> | undefined;
  const open = async () => {
    const { logFolder, limits } = logPlace(containers, record);
    return new (await import("./logs/writer.ts")).LogWriter(logFolder, limits);
  };
  return {
    keep: async (stream, bytes) => (await (writer ??= open())).append(stream, bytes),
    [Symbol.dispose]: () => void writer?.then((writer) => writer.close()),
  };
}
