/** `--dns`, `--dns-search`, `--dns-option`, `--add-host`: where names are looked up, and which are known. */
import { MiniError } from "../ffi/errors.ts";
import { parseIp } from "../network/address.ts";
import { HOST_GATEWAY, type NamesConfig } from "./names_config.ts";

/** The flags, as they were typed. */
export interface NamesFlags {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
  readonly hosts: readonly string[];
}

/** @returns undefined if nothing was said. @throws {MiniError} naming the flag that cannot be meant. */
export function readNames({ servers, search, options, hosts }: NamesFlags): NamesConfig | undefined {
  const config: NamesConfig = {
    ...servers.length > 0 ? { servers: servers.map(readServer) } : {},
    ...search.length > 0 ? { search: search.map(readDomain).filter((domain) => domain !== ".") } : {},
    ...options.length > 0 ? { options: options.map(readOption) } : {},
    ...hosts.length > 0 ? { hosts: hosts.map(readHost) } : {},
  };
  return Object.keys(config).length > 0 ? config : undefined;
}

function readServer(text: string): string {
  if (!parseIp(text)) {
    throw new MiniError(`--dns ${JSON.stringify(text)} is no address of a name server, as 192.0.2.53`);
  }
  return text;
}

function readDomain(text: string): string {
  if (text !== "." && !/^[\w-]+(\.[\w-]+)*\.?$/.test(text)) {
    throw new MiniError(`--dns-search ${JSON.stringify(text)} is no domain, as example.com; . means none`);
  }
  return text;
}

function readOption(text: string): string {
  if (!/^[\w-]+(:\d+)?$/.test(text)) {
    throw new MiniError(`--dns-option ${JSON.stringify(text)} is no option of resolv.conf(5), as ndots:2`);
  }
  return text;
}

function readHost(text: string): readonly [string, string] {
  const [, name, address = ""] = text.match(/^([\w.-]+)[:=](.+)$/) ?? [];
  const bare = address.replace(/^\[(.*)\]$/, "$1");
  if (name === undefined || bare !== HOST_GATEWAY && !parseIp(bare)) {
    throw new MiniError(`--add-host ${JSON.stringify(text)} is not NAME:ADDRESS, or NAME:${HOST_GATEWAY}`);
  }
  return [name, bare];
}
