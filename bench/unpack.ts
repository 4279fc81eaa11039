/**
 * How long unpacking a layer takes, side by side with umoci: a Debian root of about 100 MB compressed, from a file on the
 * disk into an empty file system, nothing of a registry in it.
 *
 * Every run has a file system of its own, just made, in memory (tmpfs, for the work of the processor) or on a loop device
 * (ext4, with everything brought onto the disk by mini, as its store needs it; umoci does not do that).
 */
import { examineFile } from "../images/make_image.ts";
import { run } from "../test/registry/server.ts";
import { median } from "./hyperfine.ts";
import { firstLine } from "./machine.ts";

const ROUNDS = 7;

export const title = "Unpack";

/** Mounts an empty file system on `disk` for as long as `work` runs. */
const FILE_SYSTEMS: Record<string, (folder: string, disk: string) => Promise<void>> = {
  tmpfs: async (_, disk) => void await run("mount", ["-t", "tmpfs", "tmpfs", disk]),
  ext4: async (folder, disk) => {
    await Deno.writeFile(`${folder}/disk.img`, new Uint8Array());
    await Deno.truncate(`${folder}/disk.img`, 2 * 1024 ** 3);
    await run("mkfs.ext4", ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", `${folder}/disk.img`]);
    await run("mount", ["-o", "loop", `${folder}/disk.img`, disk]);
  },
};

interface Figures {
  seconds: number;
  /** Of all processors. */
  cpuSeconds: number;
  bytes: number;
}

/** Runs a command under time(1). */
async function measure(command: readonly [string, ...string[]]): Promise<Figures> {
  const { success, stderr } = await new Deno.Command("/usr/bin/time", {
    args: ["-f", "%e %U %S %M", ...command],
    stdin: "null",
    stdout: "null",
  }).output();
  const text = new TextDecoder().decode(stderr).trim();
  if (!success) throw new Error(`${command.join(" ")}: ${text}`);
  const [seconds, user, system, kilobytes] = text.split("\n").at(-1)!.split(" ").map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return { seconds, cpuSeconds: user + system, bytes: kilobytes * 1024 };
}

/** Measures, and returns a section of Markdown without its heading. */
export async function bench(): Promise<string> {
  if (Deno.uid() !== 0) throw new Error("unpacking is measured as root");
  for (const program of ["umoci", "mmdebstrap", "mkfs.ext4"]) {
    if (firstLine(program, program === "mkfs.ext4" ? "-V" : "--version") === undefined) {
      throw new Error(`${program} is not installed`);
    }
  }
  const folder = await Deno.makeTempDir({ prefix: "mini-bench-" });
  try {
    await run("mmdebstrap", [
      "--quiet",
      "--variant=minbase",
      "--include=perl,python3-minimal,git",
      "bookworm",
      `${folder}/root.tar`,
    ]);
    await run("umoci", ["init", "--layout", `${folder}/layout`]);
    await run("umoci", ["new", "--image", `${folder}/layout:root`]);
    await run("umoci", ["raw", "add-layer", "--image", `${folder}/layout:root`, `${folder}/root.tar`]);
    const { digest, size } = await examineFile(`${folder}/root.tar`);
    const layer = await largestBlob(`${folder}/layout/blobs/sha256`);
    const script = new URL("unpack_one.ts", import.meta.url).pathname;
    const commands: Record<string, (disk: string) => readonly [string, ...string[]]> = {
      mini: (disk) => [Deno.execPath(), "run", "-A", "--no-check", script, disk, layer.path, digest],
      umoci: (disk) => ["umoci", "unpack", "--image", `${folder}/layout:root`, `${disk}/bundle`],
    };
    const sections: string[] = [];
    for (const [fileSystem, mount] of Object.entries(FILE_SYSTEMS)) {
      const results = new Map<string, Figures[]>();
      for (let round = 0; round < ROUNDS; round++) {
        for (const [name, command] of Object.entries(commands)) {
          const disk = `${folder}/disk`;
          await Deno.mkdir(disk, { recursive: true });
          await mount(folder, disk);
          try {
            results.set(name, [...results.get(name) ?? [], await measure(command(disk))]);
          } finally {
            await run("umount", [disk]);
          }
        }
      }
      sections.push(table(fileSystem, results));
    }
    const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
    const entries = (await run("tar", ["-tf", `${folder}/root.tar`])).trim().split("\n").length;
    return [
      ...sections,
      `The layer: ${mb(layer.size)} of gzip, ${mb(size)} plain, ${entries} entries. ${
        firstLine("umoci", "--version")
      }.`,
    ].join("\n\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function largestBlob(folder: string): Promise<{ path: string; size: number }> {
  let largest = { path: "", size: -1 };
  for await (const { name } of Deno.readDir(folder)) {
    const { size } = await Deno.stat(`${folder}/${name}`);
    if (size > largest.size) largest = { path: `${folder}/${name}`, size };
  }
  return largest;
}

function table(fileSystem: string, results: Map<string, Figures[]>): string {
  const own = results.get("mini")!;
  const rows = [...results].map(([name, all]) => {
    const of = (figure: keyof Figures) => median(all.map((figures) => figures[figure]));
    const ratio = median(all.map(({ seconds }, i) => seconds / own[i]!.seconds));
    return `| ${name} | ${of("seconds").toFixed(2)} s | ${of("cpuSeconds").toFixed(2)} s | ${
      name === "mini" ? "1" : ratio.toFixed(2)
    } × | ${(of("bytes") / 1e6).toFixed(0)} MB |`;
  });
  return [
    `| onto ${fileSystem} | median | processor time | to the first | peak memory |`,
    "| --- | ---: | ---: | ---: | ---: |",
    ...rows,
  ].join("\n");
}
