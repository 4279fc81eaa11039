/**
 * Which proxy a request goes through, by the variables that every tool reads: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and
 * NO_PROXY, in capitals or not. The rules are Go's, so Docker's: this machine itself is never reached through a proxy.
 */
import { MiniError } from "../ffi/errors.ts";
import type { Environment } from "./config_file.ts";
import { isLoopback } from "./mirrors.ts";

/** A proxy, with the name and password that its address held. */
export interface Proxy {
  /** Without name and password. */
  readonly url: string;
  readonly basicAuth?: { username: string; password: string };
}

const fromProcess: Environment = (name) => Deno.env.get(name);

/**
 * The proxy for a URL, or undefined for a direct connection.
 *
 * @throws MiniError when the variable's value is not an address.
 */
export function proxyFor(url: URL, environment: Environment = fromProcess): Proxy | undefined {
  const read = (name: string) => environment(name) || environment(name.toLowerCase()) || undefined;
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const text = read(name) ?? read("ALL_PROXY");
  if (text === undefined || isLoopback(url.host) || isExcluded(url, read("NO_PROXY") ?? "")) return undefined;
  const full = /^[a-z0-9]+:\/\//i.test(text) ? text : `http://${text}`;
  const proxy = URL.canParse(full) ? new URL(full) : undefined;
  if (!proxy || !["http:", "https:", "socks5:", "socks5h:"].includes(proxy.protocol) || proxy.hostname === "") {
    throw new MiniError(`${name} is not the address of a proxy; write it as http://HOST:PORT`);
  }
  const { username, password } = proxy;
  proxy.username = proxy.password = "";
  if (username === "") return { url: proxy.href };
  return {
    url: proxy.href,
    basicAuth: { username: decodeURIComponent(username), password: decodeURIComponent(password) },
  };
}

/** NO_PROXY: `*`, host names with all below them, `.domain` for those below only, addresses and address ranges. */
function isExcluded(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  for (const item of list.split(",")) {
    let rule = item.trim().toLowerCase();
    if (rule === "") continue;
    if (rule === "*") return true;
    const withPort = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(rule);
    if (withPort) {
      if (withPort[2] !== port) continue;
      rule = withPort[1]!;
    }
    rule = rule.replace(/^\[|\]$/g, "").replace(/^\*\./, ".");
    if (rule.includes("/") ? inRange(host, rule) : rule.startsWith(".") ? host.endsWith(rule) : host === rule) {
      return true;
    }
    if (!/[/:]/.test(rule) && !rule.startsWith(".") && host.endsWith(`.${rule}`)) return true;
  }
  return false;
}

/** Whether an address lies in a range written as `10.0.0.0/8` or `fd00::/8`. */
function inRange(host: string, range: string): boolean {
  const [base, length] = range.split("/");
  const address = toBits(host), network = toBits(base!);
  if (address === undefined || network === undefined || address.length !== network.length) return false;
  if (!/^\d{1,3}$/.test(length ?? "")) return false;
  return address.slice(0, Number(length)) === network.slice(0, Number(length));
}

/** An address as a text of zeros and ones: 32 for IPv4, 128 for IPv6; undefined for a host name. */
function toBits(address: string): string | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) {
    const bytes = address.split(".").map(Number);
    return bytes.some((byte) => byte > 255)
      ? undefined
      : bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
  }
  if (!address.includes(":") || !URL.canParse(`http://[${address}]/`)) return undefined;
  // The URL parser has brought the address into its canonical form: at most one `::`, no IPv4 tail.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [left, right] = canonical.split("::").map((half) => half === "" ? [] : half.split(":"));
  const filled = right === undefined
    ? left!
    : [...left!, ...new Array<string>(8 - left!.length - right.length).fill("0"), ...right];
  return filled.map((group) => parseInt(group, 16).toString(2).padStart(16, "0")).join("");
}
