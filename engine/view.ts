/** Looks into a container's root filesystem from outside, whether it runs or not. */
import { CLONE_NEWNS, O_DIRECTORY, O_PATH } from "../ffi/constants.ts";
import { Errno } from "../ffi/errors.ts";
import { open } from "../ffi/open.ts";
import type { Program } from "../ffi/program.ts";
import type { SpawnOptions } from "../ffi/spawn.ts";
import { takeOpened } from "../ffi/take.ts";
import { overlayRootfs } from "../runtime/overlay.ts";
import { planLayers, VIEW } from "../runtime/plan_layers.ts";

/** What to look into: layers, the bottom one first, under what the container has changed, if it has run. */
export interface ViewSource {
  readonly layers: readonly string[];
  readonly upper?: string;
  /** An empty folder to mount on; `TARGET.links` or `TARGET.view` beside it may be made (overlay.ts). */
  readonly target: string;
}

/**
 * A descriptor of the root as the container sees it, to be read below with openInRoot; the caller's to close.
 *
 * One layer is a folder like any other. Several are stacked by a program in a mount namespace of its own, which lives only
 * until its root is taken from it; the mount itself lives as long as the descriptor. The host never sees it.
 *
 * @throws {SyscallError} when the layers cannot be stacked or opened.
 */
export function openView({ layers, upper, target }: ViewSource): number {
  const folders = upper === undefined ? layers : [...layers, upper];
  if (folders.length === 1) return open(folders[0]!, O_PATH | O_DIRECTORY);
  // Without an upper folder overlayfs is read-only and needs no work folder.
  const rootfs = overlayRootfs({ lowers: folders, target, links: linksFor(target, upper) });
  return takeRoot((sync) => planLayers(rootfs, sync), { flags: CLONE_NEWNS });
}

/** Where links to the layers are, which stand in another order where the container's own changes are one of them. */
export const linksFor = (target: string, upper: string | undefined) => `${target}.${upper ? "view" : "links"}`;

/**
 * Takes the root that a program of plan_view.ts opens. The program has ended when this returns.
 *
 * @throws {SyscallError} with the call that failed in it.
 */
export function takeRoot(plan: (sync: number) => Program, options: SpawnOptions): number {
  return takeOpened(plan, [VIEW], options, ["mount", Errno.EINVAL])[0]!;
}
