/** What a test of the command line needs: a folder, `mini` with a store of its own in it, and images to push. */
import { fromFileUrl } from "@std/path";
import { isInstalled } from "../mini_command.ts";
import { type ImageOptions, Layout } from "./image.ts";
import { capture, run } from "./server.ts";

/** The built program, or the one that `MINI` names. */
export const MINI = Deno.env.get("MINI") ?? fromFileUrl(new URL("../../mini", import.meta.url));

/** The programs without which tests with a real registry cannot run, that are missing. */
export const missing: string[] = ["docker-registry", "skopeo", "htpasswd", "openssl"].filter((name) =>
  !isInstalled(name)
);

/** A folder that is removed with everything in it. */
export class Lab implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  static async create(): Promise<Lab> {
    const lab = new Lab(await Deno.makeTempDir({ prefix: "mini-lab-" }));
    await Deno.writeTextFile(`${lab.folder}/config.json`, '{ "network": { "default": "none" } }');
    return lab;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Deno.remove(this.folder, { recursive: true });
  }

  /** The environment of every `mini`: nothing of this machine's configuration, credentials or proxies. */
  environment(more: Record<string, string> = {}): Record<string, string> {
    const env: Record<string, string> = {
      HOME: this.folder,
      MINI_CONFIG: `${this.folder}/config.json`,
      DOCKER_CONFIG: `${this.folder}/docker`,
      XDG_RUNTIME_DIR: `${this.folder}/run`,
    };
    for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "MINI_REGISTRY_MIRROR", "MINI_INSECURE_REGISTRIES"]) {
      env[name] = env[name.toLowerCase()] = "";
    }
    return { ...env, ...more };
  }

  /** Runs `mini` with this lab's store. */
  mini(args: readonly string[], options: { stdin?: string; env?: Record<string, string>; root?: string } = {}) {
    return capture(
      MINI,
      ["--root", options.root ?? `${this.folder}/root`, "--state", `${this.folder}/state`, ...args],
      {
        ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
        env: this.environment(options.env),
      },
    );
  }

  /** Runs `mini`, which must succeed, and returns its standard output. */
  async ok(args: readonly string[], options: { stdin?: string; env?: Record<string, string>; root?: string } = {}) {
    const { code, stdout, stderr } = await this.mini(args, options);
    if (code !== 0) throw new Error(`mini ${args.join(" ")} exited with ${code}: ${stderr}`);
    return stdout;
  }

  /** Runs `mini`, which must fail with status 1 and one line, and returns that. */
  async fails(args: readonly string[], options: { stdin?: string; env?: Record<string, string>; root?: string } = {}) {
    const { code, stdout, stderr } = await this.mini(args, options);
    const lines = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("WARNING!"));
    if (code !== 1 || lines.length !== 1 || !lines[0]!.startsWith("mini: ")) {
      throw new Error(`mini ${args.join(" ")} exited with ${code} and said:\n${stderr}${stdout}`);
    }
    return lines[0]!.slice("mini: ".length);
  }

  /** A layout with one image. */
  async layout(image: ImageOptions): Promise<Layout & { digest: string; layers: string[] }> {
    const layout = await Layout.create(`${this.folder}/layout-${crypto.randomUUID()}`);
    const { digest, layers, ...descriptor } = await layout.image(image);
    await layout.tag({ ...descriptor, digest });
    return Object.assign(layout, { digest, layers: layers.map((layer) => layer.digest) });
  }

  /** What a registry has under a name, by skopeo's word. */
  async inspect(name: string, ...flags: string[]): Promise<Record<string, unknown>> {
    return JSON.parse(await run("skopeo", ["inspect", "--raw", "--tls-verify=false", ...flags, `docker://${name}`]));
  }
}
