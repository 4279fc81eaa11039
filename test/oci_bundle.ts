/** Bundles and the OCI command line for tests: `mini-runc`, or another runtime with the same flags. */
import { assert } from "@std/assert";
import { resolve } from "@std/path";
import { observe, ownDescendants } from "./leaks.ts";
import { defaultSpec } from "../engine/oci/default_spec.ts";
import type { Spec } from "../runtime/spec.ts";
import { type Context, MINI, type Output, runCommand, type RunOptions } from "./harness.ts";

const STARTER = resolve(import.meta.dirname!, "../build/starter.tar.gz");

/** A specification that runs a script of the starter image's shell, without a terminal. */
export function scriptSpec(script: string, change: (spec: Spec) => void = () => {}): Spec {
  const spec = defaultSpec(undefined);
  spec.process.terminal = false;
  spec.process.args = ["sh", "-c", script];
  spec.root.readonly = false;
  change(spec);
  return spec;
}

/** Makes a folder with a root in it; `specification` is written as its config.json. */
export async function makeBundle(folder: string, specification?: unknown): Promise<string> {
  await Deno.mkdir(`${folder}/rootfs`, { recursive: true });
  const { success, stderr } = await new Deno.Command("tar", { args: ["-xzf", STARTER, "-C", `${folder}/rootfs`] })
    .output();
  assert(success, new TextDecoder().decode(stderr));
  if (specification !== undefined) writeSpec(folder, specification);
  return folder;
}

export function writeSpec(bundle: string, specification: unknown): void {
  const text = typeof specification === "string" ? specification : JSON.stringify(specification);
  Deno.writeTextFileSync(`${bundle}/config.json`, text);
}

/** A runtime's command line with a root of its own. */
export class Runtime {
  /** @param command the program; @param root its --root. */
  constructor(readonly command: readonly string[], readonly root: string) {}

  /** The whole command line. */
  line(...args: string[]): string[] {
    return [...this.command, "--root", this.root, ...args];
  }

  /** Runs a command to its end. It writes to files: a container that it leaves would keep the ends of pipes open. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Output> {
    const files = await Deno.makeTempDir({ prefix: "mini-test-" });
    try {
      const redirect = 'to=$1; shift; exec "$@" > "$to/out" 2> "$to/err"';
      const { status } = await runCommand(["sh", "-c", redirect, "sh", files, ...this.line(...args)], options);
      const [stdout, stderr] = await Promise.all(["out", "err"].map((name) => Deno.readTextFile(`${files}/${name}`)));
      return { status, stdout: stdout!, stderr: stderr! };
    } finally {
      await Deno.remove(files, { recursive: true });
    }
  }

  /** Runs a command that has to succeed. */
  async do(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const { status, stdout, stderr } = await this.run(args, options);
    assert(status === 0, `${args.join(" ")}: status ${status}: ${stderr}`);
    return stdout;
  }

  async state(id: string): Promise<Record<string, unknown>> {
    return JSON.parse(await this.do(["state", id]));
  }

  /** Waits until a container has this status. As its adopted parent we reap it. */
  async until(id: string, status: string): Promise<void> {
    for (const end = Date.now() + 10_000;;) {
      observe();
      ownDescendants(); // which reaps
      const now = (await this.state(id)).status;
      if (now === status) {
        ownDescendants(); // it may have ended since
        return;
      }
      assert(Date.now() < end, `${id} is ${now} and not ${status}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Deletes what a test has left. */
  async clear(): Promise<void> {
    let ids: string[] = [];
    try {
      ids = [...Deno.readDirSync(this.root)].filter((entry) => entry.isDirectory).map((entry) => entry.name);
    } catch {
      return; // nothing was made
    }
    ownDescendants();
    for (const id of ids) {
      await this.run(["delete", "--force", id]);
      ownDescendants(); // which reaps
    }
  }
}

/** `mini oci` in a folder of the test's own. */
export const miniRuntime = ({ folder }: Pick<Context, "folder">) => new Runtime([MINI, "oci"], `${folder}/oci`);
