/**
 * A kernel for the test machine: Debian's for clouds, as the host's own apt finds it. It is only unpacked, into a folder of
 * ours; nothing of the host's own booting changes.
 */
import { isThere } from "../../ffi/is_there.ts";
import { Unavailable } from "./unavailable.ts";

/** The package that names the newest kernel package among those it depends on. */
const META_PACKAGE = "linux-image-cloud-amd64";

/** A kernel that was unpacked. */
export interface Kernel {
  /** `6.1.0-31-cloud-amd64` */
  readonly release: string;
  readonly image: string;
  /** The folder with the modules' folder `RELEASE` in it. */
  readonly modules: string;
}

async function output(command: string, args: string[], cwd?: string): Promise<string | undefined> {
  const result = await new Deno.Command(command, {
    args,
    stdin: "null",
    stderr: "null",
    env: { LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive", PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
    ...cwd === undefined ? {} : { cwd },
  }).output().catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  return result?.success ? new TextDecoder().decode(result.stdout) : undefined;
}

/** The kernel in the cache; downloaded if there is none. @throws {Unavailable} where that cannot be. */
export async function kernel(cache: string): Promise<Kernel> {
  const found = cached(cache);
  if (found) return found;
  Deno.mkdirSync(cache, { recursive: true });
  const lock = await Deno.open(`${cache}/lock`, { create: true, write: true });
  try {
    await lock.lock(true);
    return cached(cache) ?? await unpack(cache);
  } finally {
    lock.close();
  }
}

function cached(cache: string): Kernel | undefined {
  try {
    const [release] = Array.from(Deno.readDirSync(`${cache}/kernel/lib/modules`), (entry) => entry.name);
    return release === undefined ? undefined : {
      release,
      image: `${cache}/kernel/boot/vmlinuz-${release}`,
      modules: `${cache}/kernel/lib/modules`,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function unpack(cache: string): Promise<Kernel> {
  const unfinished = Deno.makeTempDirSync({ dir: cache });
  try {
    const find = async () => {
      const text = await output("apt-cache", ["depends", META_PACKAGE]);
      return text?.match(/^ +Depends: (linux-image-[\w.+-]+)$/m)?.[1];
    };
    let name = await find();
    if (name === undefined) {
      await output("apt-get", ["update", "-qq"]);
      name = await find();
    }
    if (name === undefined) throw new Unavailable(`apt has no ${META_PACKAGE}`);
    // The lists may be so old that the file has gone.
    const download = () => output("apt-get", ["-o", "APT::Sandbox::User=root", "download", name], unfinished);
    if (await download() === undefined) {
      await output("apt-get", ["update", "-qq"]);
      if (await download() === undefined) throw new Unavailable(`apt cannot download ${name}`);
    }
    const [file] = Array.from(Deno.readDirSync(unfinished), (entry) => entry.name).filter((n) => n.endsWith(".deb"));
    const root = `${unfinished}/root`;
    if (file === undefined || await output("dpkg-deb", ["-x", file, root], unfinished) === undefined) {
      throw new Unavailable(`dpkg-deb cannot unpack ${name}`);
    }
    // Debian 13 has its modules in /usr.
    if (!isThere(`${root}/lib`)) Deno.renameSync(`${root}/usr/lib`, `${root}/lib`);
    const release = name.replace("linux-image-", "").replace("-unsigned", "");
    if (await output("depmod", ["-b", root, release]) === undefined) {
      throw new Unavailable("there is no depmod (Debian's package kmod)");
    }
    Deno.renameSync(root, `${cache}/kernel`);
  } finally {
    Deno.removeSync(unfinished, { recursive: true });
  }
  const made = cached(cache);
  if (!made) throw new Unavailable("the kernel package has no modules");
  return made;
}

/** The files of modules and of what they need, in the order that they are to be loaded in. modules.dep(5) */
export function moduleFiles({ modules, release }: Kernel, names: readonly string[]): string[] {
  const folder = `${modules}/${release}`;
  const needs = new Map<string, string[]>();
  for (const line of Deno.readTextFileSync(`${folder}/modules.dep`).split("\n")) {
    const [file, rest] = line.split(": ");
    if (file) needs.set(file.replace(/:$/, ""), rest?.split(" ").filter(Boolean) ?? []);
  }
  const all = names.flatMap((name) => {
    const file = [...needs.keys()].find((file) => new RegExp(`/${name}\\.ko(\\.xz|\\.zst|\\.gz)?$`).test(file));
    // What is no module is in the kernel itself.
    return file === undefined ? [] : [...needs.get(file)!.toReversed(), file];
  });
  return [...new Set(all)].map((file) => `${folder}/${file}`);
}
