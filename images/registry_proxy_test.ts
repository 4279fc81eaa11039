import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { proxyFor } from "./registry_proxy.ts";

function via(url: string, environment: Record<string, string>): string | undefined {
  return proxyFor(new URL(url), (name) => environment[name])?.url;
}

Deno.test("the proxy is chosen by the scheme of the request", () => {
  const environment = { HTTP_PROXY: "http://p:1", https_proxy: "q:2", ALL_PROXY: "socks5://s:3" };
  assertEquals(via("http://a.example/", environment), "http://p:1/");
  assertEquals(via("https://a.example/", environment), "http://q:2/");
  assertEquals(via("https://a.example/", { ALL_PROXY: "http://s:3" }), "http://s:3/");
  assertEquals(via("https://a.example/", { HTTP_PROXY: "http://p:1", HTTPS_PROXY: "" }), undefined);
});

Deno.test("name and password in a proxy's address are given to it", () => {
  assertEquals(proxyFor(new URL("http://a.example/"), () => "http://me:p%40ss@p:1"), {
    url: "http://p:1/",
    basicAuth: { username: "me", password: "p@ss" },
  });
});

Deno.test("this machine is never reached through a proxy", () => {
  for (const host of ["localhost", "127.0.0.1:5000", "127.9.9.9", "[::1]:80"]) {
    assertEquals(via(`http://${host}/`, { HTTP_PROXY: "http://p:1" }), undefined, host);
  }
});

Deno.test("NO_PROXY knows names, domains, ports, addresses and ranges", () => {
  const table: [rule: string, host: string, direct: boolean][] = [
    ["*", "a.example", true],
    ["example.com", "example.com", true],
    ["example.com", "a.example.com", true],
    ["example.com", "badexample.com", false],
    [".example.com", "a.example.com", true],
    [".example.com", "example.com", false],
    ["*.example.com", "a.example.com", true],
    ["example.com:8080", "example.com:8080", true],
    ["example.com:8080", "example.com", false],
    ["10.0.0.0/8", "10.1.2.3", true],
    ["10.0.0.0/8", "11.1.2.3", false],
    ["10.1.2.3", "10.1.2.3", true],
    ["fd00::/8", "[fd12::1]", true],
    ["fd00::/8", "[fe80::1]", false],
    ["[fd12::1]:443", "[fd12::1]", false],
    ["foo, bar ,example.com", "example.com", true],
    ["", "example.com", false],
  ];
  for (const [rule, host, direct] of table) {
    const found = via(`http://${host}/`, { HTTP_PROXY: "http://p:1", NO_PROXY: rule });
    assertEquals(found === undefined, direct, `${rule} for ${host}`);
  }
});

Deno.test("a proxy that is not an address is refused", () => {
  for (const text of ["ftp://x", "http://", "http://a b"]) {
    assertThrows(
      () => proxyFor(new URL("http://a.example/"), (name) => name === "NO_PROXY" ? undefined : text),
      MiniError,
    );
  }
});
