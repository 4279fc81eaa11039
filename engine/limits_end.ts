/** Whether a limit is what ended a container, read from its cgroup before that is removed. */
import { limitReached, readCgroupEnd } from "../runtime/cgroup_end.ts";
import type { ContainerEnd } from "./record.ts";

/** What of it is written down. Nothing for a container without a cgroup, or one that is gone. */
export function limitsEnd(cgroup: string | undefined): Pick<ContainerEnd, "oomKilled"> {
  const end = cgroup === undefined ? undefined : readCgroupEnd(cgroup);
  const oomKilled = end && limitReached(end);
  return oomKilled === undefined ? {} : { oomKilled };
}

const KILLED = 137;

/** What a person is told of it: nothing, if all went well in spite of it. */
export function explainEnd({ exitCode, oomKilled }: Pick<ContainerEnd, "exitCode" | "oomKilled">): string | undefined {
  if (oomKilled === undefined || exitCode === 0) return undefined;
  return `${exitCode === KILLED ? "killed" : "a process in it was killed"}: ${oomKilled}`;
}
