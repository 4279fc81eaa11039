/** What bench/unpack.ts measures: `unpack_one.ts ROOT BLOB DIFF_ID` unpacks one layer from a file into a store. */
import { Store } from "../images/store.ts";

const [root, blob, diffID] = Deno.args as [string, string, string];
await new Store(root).layers.unpack(diffID, Deno.openSync(blob).readable);
