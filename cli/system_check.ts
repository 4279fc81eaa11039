/** `mini system check`. */
import { Containers } from "../engine/containers.ts";
import { type Check, checkHost, isFit } from "../engine/doctor/checks.ts";
import { hostFacts } from "../engine/doctor/facts.ts";
import { Volumes } from "../engine/volumes/store.ts";
import { userEnvironment } from "../ffi/self.ts";
import type { Globals, Invocation } from "./command.ts";
import { formatList } from "./format.ts";
import { tell } from "./note.ts";
import { layTable, write } from "./output.ts";

/** An ordinary user's command looks at the host first and clears up in its second life: what the first one has found. */
const FOUND = "_MINI_CHECKED";

export default async function ({ flags, globals }: Invocation): Promise<number> {
  const format = flags.string("format"), before = Deno.env.get(FOUND);
  if (before !== undefined) return await clearUp(globals, format, Number(before));
  const checks = checkHost(hostFacts(globals.root));
  show(checks, format);
  const status = isFit(checks) ? 0 : 1;
  if (Deno.uid() === 0) return await clearUp(globals, format, status);
  if (status !== 0) return status;
  const [{ enter }, { members }, { claimState }] = await Promise.all([
    import("../engine/rootless/enter.ts"),
    import("../engine/rootless/members.ts"),
    import("../engine/rootless/state_folder.ts"),
  ]);
  claimState(globals.state, Deno.uid()!);
  const words = format === undefined ? [] : ["--format", format];
  return enter(
    ["--root", globals.root, "--state", globals.state, "system", "check", ...words],
    members(globals, []),
    { ...userEnvironment(), [FOUND]: String(status) },
  );
}

function show(checks: readonly Check[], format: string | undefined): void {
  const rows = checks.map(({ name, state, needed, means, mend = "" }) => ({
    Name: name,
    State: state,
    Needed: String(needed),
    Means: means,
    Mend: mend,
  }));
  const headings = { Name: "CHECK", State: "STATE", Needed: "NEEDED", Means: "WHAT IT MEANS", Mend: "TO MEND IT" };
  write(formatList(rows, { format, columns: "{{.Name}}\t{{.State}}\t{{.Means}}", headings }));
  const mends = checks.flatMap(({ name, mend }) => mend === undefined ? [] : [[`  ${name}`, mend]]);
  if (format === undefined && mends.length > 0) write(`\nTo mend it:\n${layTable(mends)}`);
  if (format === undefined) write("\n");
}

/** Takes apart what nobody is at any more. With a format of the user's own, only the list is on standard output. */
async function clearUp(globals: Globals, format: string | undefined, status: number): Promise<number> {
  const containers = new Containers(globals.root, globals.state);
  const cleared = (await containers.sweepAll()).map((id) => id.slice(0, 12));
  const volumes = new Volumes(globals.root).sweep();
  if (volumes > 0) cleared.push(volumes === 1 ? "a volume that was half made or removed" : `${volumes} half volumes`);
  const networks = hasNetworks(globals.root)
    ? (await import("../engine/network_check.ts")).checkNetworks(containers)
    : undefined;
  cleared.push(...networks?.cleared ?? []);
  const done = [
    ...cleared.length > 0 ? [`cleared ${cleared.join(", ")}`] : [],
    ...(networks?.restored ?? []).map((what) => `made again: ${what}`),
  ];
  if (format !== undefined) done.forEach(tell);
  else {
    if (cleared.length === 0) done.unshift("nothing was left behind");
    for (const sentence of done) write(`${sentence}\n`);
  }
  networks?.warnings.forEach(tell);
  return status;
}

/** Where nobody has ever had a network, there is nothing to look at. */
function hasNetworks(root: string): boolean {
  try {
    return Deno.statSync(`${root}/networks`).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
