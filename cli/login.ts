/** `mini login`. */

import { MiniError } from "../ffi/errors.ts";
import { findCredentials, storeCredentials } from "../images/auth_file.ts";
import { serverDomain, verifyLogin } from "../images/auth_login.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";
import { ask, readAll } from "./prompt.ts";
import { registriesOf } from "./registry_flags.ts";

/** Checks a name and a password with the registry and keeps them. */
export default async function login({ flags, args }: Invocation): Promise<number> {
  const domain = serverDomain(args[0]);
  const config = await registriesOf(flags);
  let username = flags.string("username");
  let password = flags.string("password");
  if (flags.boolean("password-stdin")) {
    if (password !== undefined) throw new MiniError("--password and --password-stdin cannot be used together");
    if (!username) throw new MiniError("--password-stdin needs --username as well");
    // A password that came from a file or from echo ends with a line feed that is not part of it.
    password = (await readAll()).replace(/\r?\n$/, "");
    if (password === "") throw new MiniError("standard input holds no password");
  } else if (password !== undefined) {
    write("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n", Deno.stderr);
  }
  if (!username) {
    const known = (await findCredentials(domain))?.username;
    username = ask(known === undefined ? "Username: " : `Username (${known}): `, "username") || known;
    if (!username) throw new MiniError("a user's name is needed to log in; give it with --username");
  }
  if (password === undefined) password = ask("Password: ", "password", true);
  if (password === "") throw new MiniError("a password is needed to log in; give it with --password-stdin");

  const keep = await verifyLogin(domain, { username, password }, config);
  const file = await storeCredentials(domain, keep);
  if (file !== undefined) {
    write(
      `WARNING! Your password will be stored unencrypted in ${file}.\n` +
        `Configure a credential helper to remove this warning: set "credsStore" in that file.\n`,
      Deno.stderr,
    );
  }
  write("Login Succeeded\n");
  return 0;
}
