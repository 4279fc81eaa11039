/** Flags that are the same in every command that has them. */

import type { Flag } from "./command.ts";

/** `--format` of a list. */
export const listFormat: Flag = {
  name: "format",
  kind: "string",
  values: ["json", "table"],
  description: 'Print with a Go template, "table TEMPLATE", "table" or "json"',
};

/** `--format` of single things. */
export const oneFormatLong: Flag = {
  name: "format",
  kind: "string",
  values: ["json"],
  description: 'Print with a Go template, or "json"',
};

/** The same where it is `-f`, too. */
export const oneFormat: Flag = { ...oneFormatLong, short: "f" };

/** `--filter` with these keys; a `label!` goes with `label` and is not listed. */
export const filterBy = (...keys: readonly string[]): Flag => ({
  name: "filter",
  kind: "list",
  placeholder: "key=value",
  keys,
  description: "Only what matches, by",
});

/** `--detach-keys`. */
export const detachKeys: Flag = {
  name: "detach-keys",
  kind: "string",
  default: "ctrl-p,ctrl-q",
  description: "Keys that leave it running, where it has a terminal",
};

/** `--no-trunc`. */
export const noTrunc: Flag = { name: "no-trunc", kind: "boolean", description: "Shorten nothing" };

/** `--quiet` of a list. */
export const onlyIds: Flag = { name: "quiet", short: "q", kind: "boolean", description: "Print only IDs" };

/** `--force` of what asks before it removes. */
export const doNotAsk: Flag = { name: "force", short: "f", kind: "boolean", description: "Do not ask" };
