/**
 * A token server as registries use them (distribution's token specification): checks a name and a password, and signs
 * bearer tokens for the scopes that the account may have.
 */
import { run } from "./server.ts";

/** Who may do what: actions by account and repository; the account "" is anybody. */
export type Rights = Record<string, Record<string, readonly string[]>>;

/** One request for a token. */
export interface Asked {
  readonly method: string;
  readonly account: string;
  readonly scopes: readonly string[];
  /** Whether it came with a refresh token instead of a password. */
  readonly refreshed: boolean;
}

/** A token server that runs. */
export interface TokenServer extends AsyncDisposable {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** The certificate that registries check signatures with, a PEM file. */
  readonly certificate: string;
  readonly asked: Asked[];
}

/** How it is to be. */
export interface TokenServerOptions {
  readonly passwords: Record<string, string>;
  readonly rights: Rights;
  /** Gives refresh tokens to those who ask for one. */
  readonly refresh?: boolean;
}

const SERVICE = "test-registry", ISSUER = "test-issuer";

/** Starts one; its key and certificate are made in `folder`. */
export async function startTokenServer(folder: string, options: TokenServerOptions): Promise<TokenServer> {
  const certificate = `${folder}/token.crt`;
  await run("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test-issuer"],
    ...["-keyout", `${folder}/token.key`, "-out", certificate],
  ]);
  const der = (pem: string) => pem.replace(/-----[^-]+-----|\s/g, "");
  const x5c = [der(await Deno.readTextFile(certificate))];
  const key = await crypto.subtle.importKey(
    "pkcs8",
    Uint8Array.from(atob(der(await Deno.readTextFile(`${folder}/token.key`))), (c) => c.charCodeAt(0)),
    { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const refreshTokens = new Map<string, string>();
  const asked: Asked[] = [];

  const sign = async (account: string, scopes: readonly string[]) => {
    const access = scopes.map((scope) => {
      const [, type, name, actions] = /^([^:]+):(.*):([^:]*)$/.exec(scope) ?? [];
      const allowed = [...options.rights[account]?.[name!] ?? [], ...options.rights[""]?.[name!] ?? []];
      return { type, name, actions: actions!.split(",").filter((action) => allowed.includes(action)) };
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: ISSUER, aud: SERVICE, sub: account, exp: now + 300, nbf: now - 10, iat: now, access };
    const head = `${base64url(JSON.stringify({ typ: "JWT", alg: "RS256", x5c }))}.${
      base64url(JSON.stringify({ ...claims, jti: crypto.randomUUID() }))
    }`;
    const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", key, new TextEncoder().encode(head));
    return `${head}.${base64url(String.fromCharCode(...new Uint8Array(signature)))}`;
  };

  const answer = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    const form = request.method === "POST" ? new URLSearchParams(await request.text()) : url.searchParams;
    const scopes = form.getAll("scope").flatMap((scope) => scope.split(" ")).filter((scope) => scope !== "");
    const denied = Response.json({ details: "incorrect username or password" }, { status: 401 });
    if (form.get("service") !== SERVICE) return Response.json({ details: "which service?" }, { status: 400 });
    let account = "";
    if (request.method === "POST") {
      account = refreshTokens.get(form.get("refresh_token") ?? "") ?? "";
      if (account === "" || form.get("grant_type") !== "refresh_token") return denied;
    } else if (request.headers.has("authorization")) {
      const [user, password] = atob(request.headers.get("authorization")!.replace("Basic ", "")).split(":");
      if (options.passwords[user!] !== password) return denied;
      account = user!;
    }
    asked.push({ method: request.method, account, scopes, refreshed: request.method === "POST" });
    const token = await sign(account, scopes);
    const more: Record<string, string> = {};
    if (options.refresh && form.get("offline_token") === "true") {
      more.refresh_token = crypto.randomUUID();
      refreshTokens.set(more.refresh_token, account);
    }
    // Both names of the field are in use.
    return Response.json({ [request.method === "POST" ? "access_token" : "token"]: token, expires_in: 300, ...more });
  };

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  return {
    realm: `http://127.0.0.1:${server.addr.port}/token`,
    service: SERVICE,
    issuer: ISSUER,
    certificate,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function base64url(text: string): string {
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
