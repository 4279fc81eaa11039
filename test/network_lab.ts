/**
 * Tests of networks: everything happens in network namespaces of the test's own. `host` is the machine that mini runs on there,
 * `outside` another one on its network.
 */
import {
  type Context,
  miniTest,
  type Need,
  needsProgram,
  type Output,
  runCommand,
  type RunOptions,
  until,
} from "./harness.ts";

/** Addresses of the two machines. */
export const HOST = { ip: "192.0.2.1", ip6: "2001:db8::1" };
export const OUTSIDE = { ip: "192.0.2.2", ip6: "2001:db8::2" };

/** What a test of networks is given. */
export interface NetworkContext extends Omit<Context, "start" | "inside"> {
  /** Runs any command on `host`. */
  host(command: readonly string[], options?: RunOptions): Promise<Output>;
  /** What a command is put behind to run on `host`. */
  readonly enter: readonly string[];
  /** Runs any command `outside`. */
  outside(command: readonly string[], options?: RunOptions): Promise<Output>;
  /** Runs mini, and makes sure that it succeeded. Returns its standard output. */
  ok(...args: string[]): Promise<string>;
  /** Runs a shell script on `host`, and makes sure that it succeeded. */
  script(text: string): Promise<string>;
}

/** A network namespace, as long as a process of ours is in it. */
class Namespace implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  constructor() {
    this.#child = new Deno.Command("unshare", {
      args: ["--net", "--", "sh", "-c", "ip link set lo up && echo ready && exec sleep 600"],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  }

  /** Waits until it is there. */
  async ready(): Promise<void> {
    const reader = this.#child.stdout.getReader();
    await reader.read();
    await reader.cancel();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What a command is put behind to run there. */
  get enter(): string[] {
    return ["nsenter", `--net=/proc/${this.pid}/ns/net`, "--"];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}

const SETUP = (outside: number) => `
  ip link add h0 type veth peer name o0 netns ${outside}
  ip addr add ${HOST.ip}/24 dev h0 && ip addr add ${HOST.ip6}/64 dev h0 nodad && ip link set h0 up
  nsenter --net=/proc/${outside}/ns/net sh -c '
    ip addr add ${OUTSIDE.ip}/24 dev o0 && ip addr add ${OUTSIDE.ip6}/64 dev o0 nodad && ip link set o0 up'
`;

/** A test in namespaces of its own. */
export function networkTest(
  name: string,
  body: (context: NetworkContext) => Promise<void>,
  needs: readonly Need[] = [],
): void {
  const programs = ["ip", "unshare", "nsenter"].map(needsProgram);
  miniTest(name, async (context) => {
    await using here = new Namespace();
    await using there = new Namespace();
    await Promise.all([here.ready(), there.ready()]);
    Deno.writeTextFileSync(`${context.folder}/config.json`, "{}");
    const env = { MINI_CONFIG: `${context.folder}/config.json` };
    const run = (namespace: Namespace) => (command: readonly string[], options: RunOptions = {}) =>
      runCommand([...namespace.enter, ...command], { ...options, env: { ...env, ...options.env } });
    const host = run(here), outside = run(there);
    const succeed = ({ status, stdout, stderr }: Output, what: string) => {
      if (status !== 0) throw new Error(`${what}: status ${status}, ${stderr}`);
      return stdout;
    };
    const mini = (args: readonly string[], options?: RunOptions) => host([...context.command, ...args], options);
    // Some are long loops, and the machine may be busy.
    const script = async (text: string) => succeed(await host(["sh", "-ec", text], { timeout: 240_000 }), text);
    await script(SETUP(there.pid));
    await body({
      ...context,
      enter: here.enter,
      host,
      outside,
      mini,
      ok: async (...args) => succeed(await mini(args), `mini ${args.join(" ")}`),
      script,
    });
  }, [...programs, ...needs]);
}

/** A server in a container that tells each client its address at /cgi-bin/who, and its own name at /. */
export const SERVER = (name: string) => [
  "sh",
  "-c",
  `mkdir -p /www/cgi-bin; echo ${name} > /www/index.html
   printf '#!/bin/sh\\necho; echo "$REMOTE_ADDR"' > /www/cgi-bin/who; chmod +x /www/cgi-bin/who
   exec httpd -f -p [::]:80 -h /www`,
];

/** Asks a server: what it says, or nothing if it cannot be reached within a second. */
export type Ask = (url: string) => Promise<string>;

const wget = (url: string) => ["busybox", "timeout", "3", "busybox", "wget", "-qO-", url];
const asking = (run: (command: readonly string[]) => Promise<{ stdout: string }>): Ask => async (url) =>
  // A server of both versions of IP tells addresses of the fourth as those of the sixth.
  (await run(wget(url))).stdout.trim().replace(/^\[(?:::ffff:)?(.*)\]$/, "$1");
/** Asks from the machine that mini runs on. */
export const fromHost = ({ host }: NetworkContext) => asking(host);
/** Asks from another machine. */
export const fromOutside = ({ outside }: NetworkContext) => asking(outside);
/** Asks from inside a container. */
export const fromContainer = ({ mini }: NetworkContext, name: string) =>
  asking((command) => mini(["exec", name, ...command]));

/** The address of a container in a network. */
export async function addressOf(
  { ok }: NetworkContext,
  name: string,
  network: string,
  field = "IPAddress",
): Promise<string> {
  return (await ok("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").${field}}}`, name)).trim();
}

/** Starts a server in the background and waits until it answers. */
export async function serve(context: NetworkContext, name: string, ...flags: string[]): Promise<void> {
  await context.ok("run", "-d", "--name", name, ...flags, "starter", ...SERVER(name));
  await until(`${name} serves`, async () => {
    const { stdout } = await context.mini(["exec", name, ...wget("http://127.0.0.1/")]);
    return stdout.trim() === name;
  });
}
