/** A container's files as an archive: `mini export`. */
import { MiniError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { openRoot } from "../ffi/open.ts";
import { Store } from "../images/store.ts";
import { type Output, writeTree } from "../images/tar_tree.ts";
import type { Containers, Found } from "./containers.ts";
import { openView } from "./view.ts";

/**
 * Writes all files of a container as a tar archive, whether it runs or not: its image's, with what it has changed. What is
 * mounted in it, volumes and /proc among them, is not its own and left out; the folders are there.
 *
 * @throws {SyscallError} when something cannot be read. @throws {MiniError} when the container is removed meanwhile.
 */
export async function exportContainer(containers: Containers, { record }: Found, output: Output): Promise<void> {
  const folder = containers.folder(record.id), store = new Store(containers.root);
  const root = record.layers.length === 0 ? openRoot(record.image) : openView({
    layers: record.layers.map((diffID) => store.layers.path(diffID)),
    upper: `${folder}/upper`,
    target: `${folder}/merged`,
  });
  try {
    await writeTree(root, output);
    // Its files go one by one when it is removed, so that an archive lacks some without a failure.
    if (await containers.find(record.id) === undefined) {
      throw new MiniError(
        `container ${record.name} was removed while it was read, so that not everything is in the archive`,
      );
    }
  } finally {
    close(root);
  }
}
