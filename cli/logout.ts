/** `mini logout`. */

import { eraseCredentials } from "../images/auth_file.ts";
import { serverDomain } from "../images/auth_login.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";

/** Forgets the credentials for a registry. */
export default async function logout({ args }: Invocation): Promise<number> {
  const domain = serverDomain(args[0]);
  const known = await eraseCredentials(domain);
  write(known ? `Removing login credentials for ${domain}\n` : `Not logged in to ${domain}\n`);
  return 0;
}
