/** `mini version`. */

import type { Invocation } from "./command.ts";
import { write } from "./output.ts";
import { buildCommit, VERSION } from "./version.ts";

/** Prints the versions of `mini`, Deno and the kernel. */
export default async function version({ flags }: Pick<Invocation, "flags">): Promise<number> {
  const client = {
    Version: VERSION,
    GitCommit: buildCommit() ?? "",
    DenoVersion: Deno.version.deno,
    Os: Deno.build.os,
    Arch: Deno.build.arch === "x86_64" ? "amd64" : "arm64",
    KernelVersion: Deno.osRelease(),
  };
  // As Docker nests them, whose server is this same program. And as one expects them of a program that is one.
  const facts = { ...client, Client: client, Server: client };
  const format = flags.string("format");
  if (format !== undefined) {
    const { formatOne } = await import("./format.ts");
    write(formatOne(facts, format));
    return 0;
  }
  const lines = [
    ["Version", facts.Version],
    ["Git commit", facts.GitCommit],
    ["Deno", facts.DenoVersion],
    ["OS/Arch", `${facts.Os}/${facts.Arch}`],
    ["Kernel", facts.KernelVersion],
  ].filter(([, value]) => value);
  write(lines.map(([name, value]) => `${`${name}:`.padEnd(13)}${value}\n`).join(""));
  return 0;
}
