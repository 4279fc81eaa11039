/**
 * Credential helpers: programs named `docker-credential-NAME` that keep passwords in a keychain (docker-credential-helpers'
 * protocol: the verb is the argument, the server's address or a JSON object comes on standard input).
 */
import { MiniError } from "../ffi/errors.ts";
import { tame } from "./registry_error.ts";
import type { Credentials } from "./auth_types.ts";

/** What helpers answer when they know nothing about a server; it is not an error. */
const NOT_FOUND = /credentials not found|no credentials|no usernames/i;
/** The name by which a helper says that the secret is an identity token and no password. */
const TOKEN_USER = "<token>";

/** Asks a helper for the credentials of a server; undefined when it has none. */
export async function helperGet(helper: string, server: string): Promise<Credentials | undefined> {
  const { success, stdout, stderr } = await runHelper(helper, "get", server);
  if (!success) {
    if (NOT_FOUND.test(stdout) || NOT_FOUND.test(stderr)) return undefined;
    throw failure(helper, "get", stdout || stderr);
  }
  let json: { Username?: unknown; Secret?: unknown };
  try {
    json = JSON.parse(stdout) ?? {};
  } catch {
    throw failure(helper, "get", "its answer is not JSON");
  }
  const { Username, Secret } = json;
  if (typeof Username !== "string" || typeof Secret !== "string") {
    throw failure(helper, "get", `its answer lacks "Username" or "Secret"`);
  }
  if (Username === "" && Secret === "") return undefined;
  return Username === TOKEN_USER ? { identityToken: Secret } : { username: Username, password: Secret };
}

/** Gives credentials to a helper to keep. */
export async function helperStore(helper: string, server: string, credentials: Credentials): Promise<void> {
  const { identityToken, username = "", password = "" } = credentials;
  const answer = await runHelper(
    helper,
    "store",
    JSON.stringify({
      ServerURL: server,
      Username: identityToken === undefined ? username : TOKEN_USER,
      Secret: identityToken ?? password,
    }),
  );
  if (!answer.success) throw failure(helper, "store", answer.stdout || answer.stderr);
}

/** Has a helper forget a server; whether it knew it. */
export async function helperErase(helper: string, server: string): Promise<boolean> {
  const answer = await runHelper(helper, "erase", server);
  if (answer.success) return true;
  if (NOT_FOUND.test(answer.stdout) || NOT_FOUND.test(answer.stderr)) return false;
  throw failure(helper, "erase", answer.stdout || answer.stderr);
}

async function runHelper(helper: string, verb: string, input: string) {
  if (!/^[\w.-]+$/.test(helper)) {
    throw new MiniError(`${JSON.stringify(tame(helper))} is not the name of a credential helper`);
  }
  const program = `docker-credential-${helper}`;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, { args: [verb], stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new MiniError(
      `the credential helper ${program} is configured but not installed; install it or run "mini login" after removing it from config.json`,
    );
  }
  const writer = child.stdin.getWriter();
  const sent = writer.write(new TextEncoder().encode(input)).then(() => writer.close())
    .catch((error) => {
      // A helper that ends without reading has said all it has to say by its exit status.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    });
  const [output] = await Promise.all([child.output(), sent]);
  const decoder = new TextDecoder();
  return { success: output.success, stdout: decoder.decode(output.stdout), stderr: decoder.decode(output.stderr) };
}

function failure(helper: string, verb: string, why: string): MiniError {
  return new MiniError(`docker-credential-${helper} ${verb} failed: ${tame(why) || "it gave no reason"}`);
}
