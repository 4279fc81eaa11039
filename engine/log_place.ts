/** Where the log of a container is. */
import type { Containers } from "./containers.ts";
import { type LogLimits, logLimits } from "./logs/options.ts";
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
