/** The steps that made an image, the newest first, each with the size of its layer. */
import type { ImageRecord } from "./names.ts";
import type { Store } from "./store.ts";

export interface HistoryStep {
  /** The image's ID on the newest step; `<missing>` on the others, as Docker shows images it has not built itself. */
  id: string;
  /** ISO 8601; empty if nothing says when. */
  created: string;
  createdBy: string;
  comment: string;
  /** Bytes of the files of its layer. */
  size: number;
}

/** The history of an image. */
export function imageHistory(store: Store, image: ImageRecord): HistoryStep[] {
  const config = store.config(image);
  const sizes = config.rootfs.diff_ids.map((diffID) => store.layers.size(diffID));
  // An image whose configuration tells less than it should still shows all of its layers.
  const entries = [...config.history];
  const told = entries.filter((entry) => !entry.empty_layer).length;
  for (let i = told; i < sizes.length; i++) entries.push({});
  let layer = 0;
  const steps = entries.map(({ created = "", created_by = "", comment = "", empty_layer }): HistoryStep => ({
    id: "<missing>",
    created,
    createdBy: created_by,
    comment,
    size: empty_layer ? 0 : sizes[layer++] ?? 0,
  })).reverse();
  if (steps[0]) steps[0].id = image.id;
  return steps;
}
