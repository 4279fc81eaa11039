/**
 * Debian's `docker-registry` on loopback, for a test: on a port that the kernel chooses, with its own folder, ended with the
 * test.
 */
import { AF_INET, SOCK_CLOEXEC, SOCK_STREAM } from "../../ffi/constants.ts";
import { close, syscall } from "../../ffi/kernel.ts";

/** How the registry is to be. */
export interface RegistryServerOptions {
  /** Demands a name and a password (HTTP basic authentication). */
  readonly basic?: { username: string; password: string };
  /** Demands bearer tokens from this server. */
  readonly token?: { realm: string; service: string; issuer: string; certificate: string };
  /** PEM files; with an authority for clients, those must show a certificate of it. */
  readonly tls?: { certificate: string; key: string; clientAuthority?: string };
  /** A folder to serve that another registry has filled. */
  readonly folder?: string;
}

/** A registry that runs. */
export interface RegistryServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly port: number;
  readonly folder: string;
}

/** An address that nobody listens at and that nobody else gets, until it is disposed of. */
export interface DeadAddress extends Disposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
}

/** A port of loopback that is bound and not listened on: whoever connects is refused. */
export function deadAddress(): DeadAddress {
  const fd = syscall("socket", AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  try {
    const address = new Uint8Array(16), view = new DataView(address.buffer); // struct sockaddr_in, ip(7)
    view.setUint16(0, AF_INET, true);
    address.set([127, 0, 0, 1], 4);
    syscall("bind", fd, address, address.length);
    syscall("getsockname", fd, address, new Uint32Array([address.length]));
    return { host: `127.0.0.1:${view.getUint16(2)}`, [Symbol.dispose]: () => close(fd) };
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** Runs a program and returns what it printed. @throws with its messages when it fails. */
export async function run(program: string, args: readonly string[], options: {
  stdin?: Uint8Array | string;
  env?: Record<string, string>;
  cwd?: string;
} = {}): Promise<string> {
  const { code, stdout, stderr } = await capture(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} exited with ${code}: ${stderr}${stdout}`);
  return stdout;
}

/** Runs a program and returns its exit status and what it printed. */
export async function capture(program: string, args: readonly string[], options: {
  stdin?: Uint8Array | string;
  env?: Record<string, string>;
  cwd?: string;
} = {}): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(options.env ? { env: options.env } : {}),
    ...(options.cwd ? { cwd: options.cwd } : {}),
  }).spawn();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(typeof options.stdin === "string" ? new TextEncoder().encode(options.stdin) : options.stdin);
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Starts a registry and waits until it listens. @throws with what it said when it does not. */
export async function startRegistry(options: RegistryServerOptions = {}): Promise<RegistryServer> {
  const own = await Deno.makeTempDir({ prefix: "mini-registry-" });
  const folder = options.folder ?? `${own}/data`;
  await Deno.writeTextFile(`${own}/config.yml`, await configuration(own, folder, options));
  const child = new Deno.Command("docker-registry", {
    args: ["serve", `${own}/config.yml`],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { OTEL_TRACES_EXPORTER: "none" },
  }).spawn();
  let said = "";
  const listening = Promise.withResolvers<number | undefined>();
  const ended = Promise.all([
    child.status,
    (async () => {
      // To its end: a pipe that nobody reads would stop it.
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
        said += text;
        const port = /listening on 127\.0\.0\.1:(\d+)/.exec(said)?.[1];
        if (port !== undefined) listening.resolve(Number(port));
      }
      listening.resolve(undefined);
    })(),
  ]);
  const dispose = async () => {
    try {
      child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended by itself
    }
    await ended;
    await Deno.remove(own, { recursive: true });
  };
  const port = await listening.promise;
  if (port === undefined) {
    await dispose();
    throw new Error(`docker-registry did not start to listen: ${said}`);
  }
  return { host: `127.0.0.1:${port}`, port, folder, [Symbol.asyncDispose]: dispose };
}

async function configuration(
  own: string,
  folder: string,
  options: RegistryServerOptions,
): Promise<string> {
  const { basic, token, tls } = options;
  const lines = [
    "version: 0.1",
    "log: { level: info, accesslog: { disabled: true } }",
    `storage: { filesystem: { rootdirectory: ${folder} }, delete: { enabled: true } }`,
    `http:`,
    `  addr: 127.0.0.1:0`,
    `  secret: not-secret`,
  ];
  if (tls) {
    const clients = tls.clientAuthority === undefined ? "" : `, clientcas: [${tls.clientAuthority}]`;
    lines.push(`  tls: { certificate: ${tls.certificate}, key: ${tls.key}${clients} }`);
  }
  if (basic) {
    const line = await run("htpasswd", ["-nbB", basic.username, basic.password]);
    await Deno.writeTextFile(`${own}/htpasswd`, line);
    lines.push(`auth: { htpasswd: { realm: test, path: ${own}/htpasswd } }`);
  }
  if (token) {
    lines.push(
      `auth: { token: { realm: "${token.realm}", service: "${token.service}", issuer: "${token.issuer}", rootcertbundle: ${token.certificate} } }`,
    );
  }
  return lines.join("\n") + "\n";
}
