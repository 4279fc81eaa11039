/** Reading `WWW-Authenticate` (RFC 9110, section 11.6.1): which proof of identity a registry asks for. */

/** One demand: `Bearer realm="https://auth.example/token",service="registry"` → scheme `bearer` and its parameters. */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** Names in lower case; quotes and backslashes are taken off the values. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy;
/** The longest header that is looked at; beyond it a header is treated as unreadable. */
const LONGEST_HEADER = 64 * 1024;

/**
 * Reads every challenge of a header, also of several headers joined by commas.
 *
 * What cannot be read ends the list; it never throws, since the answer to an unreadable demand is that of no demand.
 */
export function parseChallenges(header: string | null): Challenge[] {
  const challenges: Challenge[] = [];
  if (header === null || header.length > LONGEST_HEADER) return challenges;
  let at = 0, parameters: Map<string, string> | undefined;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(header);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const skip = (characters: string) => {
    while (at < header.length && characters.includes(header[at]!)) at++;
  };
  for (;;) {
    skip(" \t,");
    const name = take(TOKEN)?.[0].toLowerCase();
    if (name === undefined) return challenges;
    const beforeBlank = at;
    skip(" \t");
    // `name = value` goes on with the challenge before it; `name` alone, or `name other…`, begins the next one.
    if (parameters !== undefined && header[at] === "=") {
      at++;
      skip(" \t");
      const value = take(QUOTED)?.[1]?.replace(/\\(.)/gs, "$1") ?? take(TOKEN)?.[0];
      if (value === undefined) return challenges;
      if (!parameters.has(name)) parameters.set(name, value);
      continue;
    }
    at = beforeBlank;
    parameters = new Map();
    challenges.push({ scheme: name, parameters });
  }
}
