/**
 * How long a pull of an image of three layers, about 150 MB, takes from a registry on loopback into an empty store, side
 * by side with Docker and Podman.
 *
 * Every pull has a file system of its own, just made, on a loop device: on a used one, ext4 passes over inodes that were
 * freed in the last minutes, and who comes later waits for those who came before.
 */
import { resolve } from "@std/path";
import { digestOf } from "../images/digest.ts";
import { MediaType } from "../images/types.ts";
import { type Descriptor, Layout } from "../test/registry/image.ts";
import { run, startRegistry } from "../test/registry/server.ts";
import { median } from "./hyperfine.ts";
import { firstLine } from "./machine.ts";
import { startDocker, unmountBelow } from "./peers.ts";

const MINI = Deno.env.get("MINI") ?? resolve(import.meta.dirname!, "../mini");
const ROUNDS = 5;
const DISK_BYTES = 6 * 1024 ** 3;

export const title = "Pull";

/** One who pulls: prepares on an empty disk what it needs, and gives the command to be measured. */
interface Puller extends AsyncDisposable {
  readonly command: readonly [string, ...string[]];
  /** Processes whose memory counts besides the command's own. */
  readonly servers: readonly number[];
}

const nothing = () => Promise.resolve();

/** Who takes part, by name; undefined for one that is not installed. */
const PULLERS: Record<string, (disk: string, image: string) => Promise<Puller | undefined>> = {
  mini: (disk, image) =>
    Promise.resolve({
      command: [MINI, "--root", disk, "pull", "-q", image],
      servers: [],
      [Symbol.asyncDispose]: nothing,
    }),
  docker: dockerPuller,
  podman: (disk, image) => {
    if (!firstLine("podman", "--version")) return Promise.resolve(undefined);
    const places = ["--root", `${disk}/root`, "--runroot", `${disk}/run`, "--storage-driver", "overlay"];
    return Promise.resolve({
      command: ["podman", ...places, "pull", "-q", "--tls-verify=false", image],
      servers: [],
      [Symbol.asyncDispose]: nothing,
    });
  },
};

/** Docker's puller: its daemon ends with the round. */
async function dockerPuller(disk: string, image: string): Promise<Puller | undefined> {
  const docker = await startDocker(disk);
  return docker && {
    command: ["docker", "-H", docker.socket, "pull", "-q", image],
    servers: docker.servers,
    [Symbol.asyncDispose]: () => docker[Symbol.asyncDispose](),
  };
}

/** The highest resident memory of a process so far, in bytes; 0 when it is gone. */
function peakBytes(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || /os error 3/.test(String(error))) return 0;
    throw error;
  }
}

/** Runs a command and measures seconds and peak memory. */
async function measure({ command, servers }: Puller): Promise<{ seconds: number; bytes: number }> {
  const [program, ...args] = command;
  const begin = performance.now();
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "piped" }).spawn();
  let own = 0;
  const timer = setInterval(() => own = Math.max(own, peakBytes(child.pid)), 10);
  const { success, stderr } = await child.output();
  const seconds = (performance.now() - begin) / 1000;
  clearInterval(timer);
  if (!success) throw new Error(`${command.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return { seconds, bytes: own + servers.reduce((sum, pid) => sum + peakBytes(pid), 0) };
}

/** Mounts an empty ext4 file system for as long as `work` runs. */
async function onEmptyDisk<T>(folder: string, work: (disk: string) => Promise<T>): Promise<T> {
  const image = `${folder}/disk.img`, disk = `${folder}/disk`;
  await Deno.mkdir(disk, { recursive: true });
  await Deno.writeFile(image, new Uint8Array());
  await Deno.truncate(image, DISK_BYTES);
  await run("mkfs.ext4", ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image]);
  await run("mount", ["-o", "loop", image, disk]);
  try {
    return await work(disk);
  } finally {
    await unmountBelow(disk);
    await Deno.remove(image);
  }
}

/** Text that shrinks to about a third, and noise that does not shrink, as programs and data do. */
function content(bytes: number, seed: number): Uint8Array {
  let x = seed * 2654435761 >>> 0 || 1;
  const random = () => (x ^= x << 13, x ^= x >>> 17, x ^= x << 5, x >>> 0);
  const words = Array.from({ length: 64 }, () => random().toString(36));
  const data = new Uint8Array(bytes);
  for (let at = 0; at < bytes;) {
    if (random() % 24 === 0) {
      for (const end = Math.min(bytes, at + 64); at < end; at++) data[at] = random();
    } else at += new TextEncoder().encodeInto(`${words[random() % 64]} `, data.subarray(at)).written || 1;
  }
  return data;
}

/** Three layers of many files each: 150 MB compressed, 330 MB of files. */
async function makeImage(
  folder: string,
): Promise<{ layout: Layout; compressed: number; plain: number; files: number }> {
  const layout = await Layout.create(`${folder}/layout`);
  const layers: Descriptor[] = [], diffIDs: string[] = [];
  let files = 0, plain = 0;
  for (const [i, count] of [3000, 5000, 1000].entries()) {
    const tree = `${folder}/tree${i}`;
    const bytes = 110_000_000 / count;
    for (let n = 0; n < count; n++) {
      if (n % 50 === 0) await Deno.mkdir(`${tree}/usr/lib/part${n / 50}`, { recursive: true });
      // Sizes between a tenth of the mean and twice as much.
      const size = Math.floor(bytes * (0.1 + 1.8 * ((n * 7919) % 1000) / 1000));
      await Deno.writeFile(`${tree}/usr/lib/part${Math.floor(n / 50)}/file${n}`, content(size, n + 1 + i * 10_000));
    }
    const tar = `${folder}/${i}.tar`;
    await run("tar", ["-cf", tar, "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-C", tree, "."]);
    const bytesOfTar = await Deno.readFile(tar);
    diffIDs.push(await digestOf(bytesOfTar));
    await run("gzip", ["-6", "-n", tar]);
    layers.push(await layout.blob(MediaType.ociLayerGzip, await Deno.readFile(`${tar}.gz`)));
    files += count;
    plain += bytesOfTar.length;
    await Deno.remove(tree, { recursive: true });
    await Deno.remove(`${tar}.gz`);
  }
  const architecture = Deno.build.arch === "x86_64" ? "amd64" : "arm64";
  const config = await layout.json(MediaType.ociConfig, {
    os: "linux",
    architecture,
    config: { Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: diffIDs },
    history: diffIDs.map((_, i) => ({ created_by: `layer ${i}` })),
  });
  await layout.tag(
    await layout.json(MediaType.ociManifest, { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers }),
  );
  return { layout, compressed: layers.reduce((sum, { size }) => sum + size, 0), plain, files };
}

/** Measures, and returns a section of Markdown without its heading. */
export async function bench(): Promise<string> {
  if (Deno.uid() !== 0) throw new Error("pulls are measured as root");
  const folder = await Deno.makeTempDir({ prefix: "mini-bench-" });
  try {
    const { layout, compressed, plain, files } = await makeImage(folder);
    await using registry = await startRegistry();
    await layout.push(registry.host, "bench:1");
    const image = `${registry.host}/bench:1`;
    const results = new Map<string, { seconds: number; bytes: number }[]>();
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, prepare] of Object.entries(PULLERS)) {
        await onEmptyDisk(folder, async (disk) => {
          await using puller = await prepare(disk, image);
          if (puller) results.set(name, [...results.get(name) ?? [], await measure(puller)]);
        });
      }
    }
    const own = results.get("mini")!;
    const rows = [...results].map(([name, all]) => {
      const ratio = median(all.map(({ seconds }, i) => seconds / own[i]!.seconds));
      const peak = Math.max(...all.map(({ bytes }) => bytes)) / 1e6;
      const times = all.map(({ seconds }) => seconds);
      return `| ${name} | ${median(times).toFixed(2)} s | ${Math.min(...times).toFixed(2)} s | ${
        name === "mini" ? "1" : ratio.toFixed(2)
      } × | ${peak.toFixed(0)} MB |`;
    });
    const mb = (bytes: number) => (bytes / 1e6).toFixed(0);
    return [
      [
        "| `pull -q` into an empty store | median | fastest | to the first | peak memory |",
        "| --- | ---: | ---: | ---: | ---: |",
        ...rows,
      ].join("\n"),
      `Three gzip layers of ${mb(compressed)} MB, ${mb(plain)} MB in ${files} files when unpacked, ` +
      `from docker-registry on loopback; memory is resident, of Docker that of its daemons as well.`,
      `${
        ["mini", "docker", "podman"].flatMap((name) =>
          firstLine({ mini: MINI, docker: "dockerd" }[name] ?? name, "--version") ?? []
        )
          .join(", ")
      }.`,
    ].join("\n\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
