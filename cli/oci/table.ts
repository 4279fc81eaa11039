/** All commands of the OCI command line. */
import type { OciCommand } from "./command.ts";
import * as rows from "./rows.ts";

/** In the order of help. */
export const ociCommands: readonly OciCommand[] = [
  { ...rows.create, load: () => import("./create.ts") },
  { ...rows.start, load: () => import("./start.ts") },
  { ...rows.state, load: () => import("./state.ts") },
  { ...rows.kill, load: () => import("./kill.ts") },
  { ...rows.remove, load: () => import("./delete.ts") },
  { ...rows.run, load: () => import("./run.ts") },
  { ...rows.exec, load: () => import("./exec.ts") },
  { ...rows.ps, load: () => import("./ps.ts") },
  { ...rows.list, load: () => import("./list.ts") },
  { ...rows.pause, load: () => import("./pause.ts") },
  { ...rows.resume, load: () => import("./resume.ts") },
  { ...rows.update, load: () => import("./update.ts") },
  { ...rows.events, load: () => import("./events.ts") },
  { ...rows.checkpoint, load: () => import("./checkpoint.ts") },
  { ...rows.restore, load: () => import("./restore.ts") },
  { ...rows.spec, load: () => import("./spec.ts") },
  { ...rows.features, load: () => import("./features.ts") },
];
