/**
 * All commands. A row is one line here: what help, parsing and completion know of it stands in rows/, and the module
 * that does the work is imported when the command is run.
 */

import type { Command } from "./command.ts";
import { create, exportRow, kill, pause, restart, rm, start, stop, unpause } from "./rows/containers.ts";
import { exec } from "./rows/exec.ts";
import { containerPrune, rename, wait } from "./rows/daily.ts";
import { commit, cp, diff } from "./rows/files.ts";
import { history, imageInspect, imagePrune, images, importRow, load, rmi, save, tag } from "./rows/images_local.ts";
import { update } from "./rows/limits.ts";
import { anatomy, events, info, inspect, stats, top } from "./rows/look.ts";
import { attach, logs } from "./rows/logs.ts";
import { login, logout, pull, push } from "./rows/images_remote.ts";
import { complete, completion, help, man, monitor, version } from "./rows/meta.ts";
import { oci } from "./rows/oci.ts";
import { ps } from "./rows/ps.ts";
import { explain, run } from "./rows/run.ts";
import {
  networkConnect,
  networkCreate,
  networkDisconnect,
  networkInspect,
  networkLs,
  networkPrune,
  networkRm,
  port,
} from "./rows/network.ts";
import {
  systemCheck,
  systemDf,
  systemInstall,
  systemPrune,
  systemStart,
  systemStop,
  systemUninstall,
} from "./rows/system.ts";
import { volumeCreate, volumeInspect, volumeLs, volumePrune, volumeRm } from "./rows/volumes.ts";

/** The headings of `mini --help`, in this order. */
export const groups: readonly string[] = [
  "Run containers",
  "Look",
  "Images",
  "Volumes",
  "Networks",
  "About mini",
];

/** The first words of two-word commands, such as `image` of `image inspect`. */
export const nouns: Readonly<Record<string, string>> = {
  container: "Manage containers",
  image: "Manage images",
  volume: "Manage volumes",
  network: "Manage networks",
  system: "Manage what mini keeps on this machine",
};

/** Every command, in the order of help. */
export const commands: readonly Command[] = [
  { ...run, load: () => import("./run.ts") },
  { ...create, load: () => import("./create.ts") },
  { ...start, load: () => import("./start.ts") },
  { ...exec, load: () => import("./exec.ts") },
  { ...attach, load: () => import("./attach.ts") },
  { ...stop, load: () => import("./stop.ts") },
  { ...restart, load: () => import("./restart.ts") },
  { ...pause, load: () => import("./pause.ts") },
  { ...unpause, load: () => import("./pause.ts") },
  { ...update, load: () => import("./update.ts") },
  { ...kill, load: () => import("./kill.ts") },
  { ...rm, load: () => import("./rm.ts") },
  { ...cp, load: () => import("./cp.ts") },
  { ...diff, load: () => import("./diff.ts") },
  { ...commit, load: () => import("./commit.ts") },
  { ...exportRow, load: () => import("./export.ts") },
  { ...rename, load: () => import("./rename.ts") },
  { ...wait, load: () => import("./wait.ts") },
  { ...containerPrune, load: () => import("./container_prune.ts") },
  { ...ps, load: () => import("./ps.ts") },
  { ...inspect, load: () => import("./inspect.ts") },
  { ...top, load: () => import("./top.ts") },
  { ...stats, load: () => import("./stats.ts") },
  { ...logs, load: () => import("./logs.ts") },
  { ...events, load: () => import("./events.ts") },
  { ...pull, load: () => import("./pull.ts") },
  { ...push, load: () => import("./push.ts") },
  { ...images, load: () => import("./images.ts") },
  { ...rmi, load: () => import("./rmi.ts") },
  { ...tag, load: () => import("./tag.ts") },
  { ...history, load: () => import("./history.ts") },
  { ...imageInspect, load: () => import("./image_inspect.ts") },
  { ...imagePrune, load: () => import("./image_prune.ts") },
  { ...save, load: () => import("./save.ts") },
  { ...load, load: () => import("./load.ts") },
  { ...importRow, load: () => import("./import.ts") },
  { ...login, load: () => import("./login.ts") },
  { ...logout, load: () => import("./logout.ts") },
  { ...volumeCreate, load: () => import("./volume_create.ts") },
  { ...volumeLs, load: () => import("./volume_ls.ts") },
  { ...volumeInspect, load: () => import("./volume_inspect.ts") },
  { ...volumeRm, load: () => import("./volume_rm.ts") },
  { ...volumePrune, load: () => import("./volume_prune.ts") },
  { ...port, load: () => import("./port.ts") },
  { ...networkLs, load: () => import("./network_ls.ts") },
  { ...networkCreate, load: () => import("./network_create.ts") },
  { ...networkInspect, load: () => import("./network_inspect.ts") },
  { ...networkRm, load: () => import("./network_rm.ts") },
  { ...networkPrune, load: () => import("./network_prune.ts") },
  { ...networkConnect, load: () => import("./network_connect.ts") },
  { ...networkDisconnect, load: () => import("./network_disconnect.ts") },
  { ...systemCheck, load: () => import("./system_check.ts") },
  { ...systemDf, load: () => import("./system_df.ts") },
  { ...systemPrune, load: () => import("./system_prune.ts") },
  { ...systemInstall, load: () => import("./system_service.ts") },
  { ...systemUninstall, load: () => import("./system_service.ts") },
  { ...systemStart, load: () => import("./system_service.ts") },
  { ...systemStop, load: () => import("./system_service.ts") },
  { ...oci, load: () => import("./oci_command.ts") },
  { ...info, load: () => import("./info.ts") },
  { ...anatomy, load: () => import("./anatomy.ts") },
  { ...explain, load: () => import("./explain.ts") },
  { ...version, load: () => import("./version_command.ts") },
  { ...help, load: () => import("./help_command.ts") },
  { ...man, load: () => import("./man.ts") },
  { ...completion, load: () => import("./completion.ts") },
  { ...monitor, load: () => import("./monitor.ts") },
  { ...complete, load: () => import("./complete_command.ts") },
];
