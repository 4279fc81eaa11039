/** The commands about volumes, without their implementations. */

import type { CommandRow } from "../command.ts";
import { doNotAsk, filterBy, listFormat, oneFormat } from "../common_flags.ts";

const group = "Volumes";

/** `mini volume create`. */
export const volumeCreate: CommandRow = {
  name: "volume create",
  group,
  summary: "Make a volume",
  usage: "[OPTIONS] [VOLUME]",
  flags: [
    {
      name: "driver",
      short: "d",
      kind: "string",
      default: "local",
      values: ["local"],
      description: "The driver, of which there is one",
    },
    { name: "label", kind: "list", description: "Set a label, key=value" },
    {
      name: "opt",
      short: "o",
      kind: "list",
      values: ["type=", "device=", "o="],
      description: "Option of the driver: type, device or o, as of mount(8)",
    },
  ],
  positionals: { min: 0, max: 1 },
  examples: [
    { command: "mini volume create data", comment: "A folder that outlives its containers" },
    {
      command: "mini volume create -o type=nfs -o device=:/export -o o=addr=10.0.0.1,nfsvers=4 shared",
      comment: "A folder of another machine, mounted in the containers that use it",
    },
    {
      command: "mini volume create -o type=tmpfs -o device=tmpfs -o o=size=100m scratch",
      comment: "Memory that containers share, empty again when none of them runs",
    },
  ],
};

/** `mini volume ls`. */
export const volumeLs: CommandRow = {
  name: "volume ls",
  aliases: ["volume list"],
  group,
  summary: "List volumes",
  usage: "[OPTIONS]",
  flags: [
    { ...filterBy("dangling", "driver", "label", "name"), short: "f" },
    listFormat,
    { name: "quiet", short: "q", kind: "boolean", description: "Print only names" },
  ],
  positionals: { min: 0, max: 0 },
  examples: [{ command: "mini volume ls -qf dangling=true", comment: "Those that no container uses" }],
};

/** `mini volume inspect`. */
export const volumeInspect: CommandRow = {
  name: "volume inspect",
  group,
  summary: "Show everything about volumes",
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  flags: [oneFormat],
  positionals: { min: 1, needs: "a volume", complete: ["volume"], repeat: true },
  examples: [{ command: "mini volume inspect -f '{{.Mountpoint}}' data", comment: "Where it is on this machine" }],
};

/** `mini volume rm`. */
export const volumeRm: CommandRow = {
  name: "volume rm",
  aliases: ["volume remove"],
  group,
  summary: "Remove volumes with all that they hold",
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  flags: [{ name: "force", short: "f", kind: "boolean", description: "Pass over what does not exist" }],
  positionals: { min: 1, needs: "a volume", complete: ["volume"], repeat: true },
  examples: [{ command: "mini volume rm data", comment: "One that no container uses any more" }],
};

/** `mini volume prune`. */
export const volumePrune: CommandRow = {
  name: "volume prune",
  group,
  summary: "Remove the volumes without a name that no container uses",
  usage: "[OPTIONS]",
  flags: [
    { name: "all", short: "a", kind: "boolean", description: "Also those that were given a name" },
    filterBy("label", "until"),
    doNotAsk,
  ],
  positionals: { min: 0, max: 0 },
  examples: [
    { command: "mini volume prune", comment: "Those that containers have left" },
    { command: "mini volume prune -af --filter label!=keep", comment: "All but those with a label" },
  ],
};
