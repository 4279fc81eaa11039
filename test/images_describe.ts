/**
 * Prints a tree entry by entry, as JSON: `describe.ts FOLDER`. With more folders, these are layers, the top one first, and
 * FOLDER is where they are stacked; to be run in a mount namespace of its own.
 */
import { describeTree, runTool } from "./images_fixtures.ts";

const [folder, ...layers] = Deno.args;
if (layers.length > 0) {
  // Options of a mount must fit into a page: short links stand for long paths.
  const links = Deno.makeTempDirSync({ dir: `${folder}/..`, prefix: "l" });
  layers.forEach((layer, i) => Deno.symlinkSync(layer, `${links}/${i}`));
  Deno.chdir(links);
  await runTool("mount", "-t", "overlay", "overlay", "-o", `lowerdir=${layers.map((_, i) => i).join(":")}`, folder!);
}
console.log(JSON.stringify([...await describeTree(folder!)]));
