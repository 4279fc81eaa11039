/** Containers through runtime/ itself, from a specification of the test's own. */
import { assert } from "@std/assert";
import { resolve } from "@std/path";
import { shellStatus } from "../ffi/exit_status.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { readFile } from "../ffi/open.ts";
import { start, type StartOptions } from "../runtime/container.ts";
import type { Namespace, Spec } from "../runtime/spec.ts";
import type { Context } from "./harness.ts";

const STARTER = resolve(import.meta.dirname!, "../build/starter.tar.gz");
export const FIRST_ID = 231072;

/** A root of the test's own, whose files belong to `uid`. */
export async function makeRoot({ folder }: Context, uid = 0): Promise<string> {
  const root = `${folder}/rootfs`;
  await Deno.mkdir(root);
  const run = async (command: string, ...args: string[]) => {
    const { success, stderr } = await new Deno.Command(command, { args }).output();
    assert(success, new TextDecoder().decode(stderr));
  };
  await run("tar", "-xzf", STARTER, "-C", root);
  // In a user namespace nobody may go through folders that are root's alone.
  await Deno.chmod(folder, 0o755);
  if (uid !== 0) await run("chown", "-Rh", `${uid}:${uid}`, root);
  return root;
}

const OPTIONS = ["nosuid", "noexec", "nodev"];
export function makeSpec(script: string, namespaces: readonly Namespace[], linux: Spec["linux"] = {}): Spec {
  return {
    ociVersion: "1.2.0",
    root: { path: "root" },
    process: { cwd: "/", args: ["sh", "-c", script], env: ["PATH=/bin"], user: { uid: 0, gid: 0 } },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: OPTIONS },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance", "ptmxmode=0666"] },
    ],
    linux: { ...linux, namespaces: [{ type: "pid" }, { type: "mount" }, ...namespaces] },
  };
}

/** Runs a container to its end; gives its exit status and what it printed. */
export async function runSpec(spec: Spec, directory: string, options: Partial<StartOptions> = {}) {
  const path = `${directory}.out`;
  const fd = syscall("openat", -100, path, 0o2 | 0o100 | 0o1000 | 0o2000000, 0o666);
  try {
    syscall("fchmod", fd, 0o666);
    const container = await start(spec, {
      root: { directory },
      stdio: [0, fd, fd],
      ...options,
    });
    const status = shellStatus(await container.wait());
    return { status, output: new TextDecoder().decode(readFile(fd, 1 << 16)) };
  } finally {
    close(fd);
    await Deno.remove(path);
  }
}

/** 65,536 ids from FIRST_ID on. */
export const ID_MAPS = {
  uidMappings: [{ containerID: 0, hostID: FIRST_ID, size: 65536 }],
  gidMappings: [{ containerID: 0, hostID: FIRST_ID, size: 65536 }],
};
