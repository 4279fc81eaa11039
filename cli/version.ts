/** The version of `mini`. */

/** The version as in deno.json; a test keeps the two equal. */
export const VERSION = "0.1.0";

/** The commit of the build: a line that the build puts in front of the bundled module. */
declare const MINI_BUILD: string | undefined;

/** The commit that this was built from, or undefined when it was not built. */
export function buildCommit(): string | undefined {
  return typeof MINI_BUILD === "string" ? MINI_BUILD : undefined;
}

/** The line that `mini --version` prints. */
export function versionLine(): string {
  const build = buildCommit();
  return `mini version ${VERSION}${build ? `, build ${build}` : ""}\n`;
}
