/**
 * Debian's `docker-registry` on loopback, for a test: on a free port, with its own folder, ended with the test.
 */

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

/** A port that nobody listens on at the moment. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
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

/** Starts a registry and waits until it answers. */
export async function startRegistry(options: RegistryServerOptions = {}): Promise<RegistryServer> {
  const own = await Deno.makeTempDir({ prefix: "mini-registry-" });
  const folder = options.folder ?? `${own}/data`;
  const port = freePort();
  await Deno.writeTextFile(`${own}/config.yml`, await configuration(own, folder, port, options));
  const child = new Deno.Command("docker-registry", {
    args: ["serve", `${own}/config.yml`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    env: { OTEL_TRACES_EXPORTER: "none" },
  }).spawn();
  const ended = child.status;
  const server: RegistryServer = {
    host: `127.0.0.1:${port}`,
    port,
    folder,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended by itself
      }
      await ended;
      await Deno.remove(own, { recursive: true });
    },
  };
  for (let tries = 0;; tries++) {
    try {
      using _ = await Deno.connect({ hostname: "127.0.0.1", port });
      return server;
    } catch (error) {
      if (tries === 200) {
        await server[Symbol.asyncDispose]();
        throw new Error("docker-registry did not start to listen within ten seconds", { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function configuration(
  own: string,
  folder: string,
  port: number,
  options: RegistryServerOptions,
): Promise<string> {
  const { basic, token, tls } = options;
  const lines = [
    "version: 0.1",
    "log: { level: error, accesslog: { disabled: true } }",
    `storage: { filesystem: { rootdirectory: ${folder} }, delete: { enabled: true } }`,
    `http:`,
    `  addr: 127.0.0.1:${port}`,
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
