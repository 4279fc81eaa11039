import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { loadRegistries, parseRegistries } from "./config_file.ts";
import { isLoopback, originEndpoint, pullEndpoints } from "./mirrors.ts";

const NO_FILE = { MINI_CONFIG: undefined } as Record<string, string | undefined>;
const load = (environment: Record<string, string>, flags = {}) =>
  loadRegistries(flags, (name) => ({ ...NO_FILE, ...environment })[name]);

Deno.test("mirrors and insecure registries come from the environment", async () => {
  const config = await load({
    MINI_REGISTRY_MIRROR: "http://a:5000/, ghcr.io=https://b/proxy",
    MINI_INSECURE_REGISTRIES: "lan:5000  other",
    MINI_REGISTRY_TIMEOUT: "1.5",
  });
  assertEquals(config.registries.get("docker.io"), { mirrors: ["http://a:5000"], insecure: false });
  assertEquals(config.registries.get("ghcr.io"), { mirrors: ["https://b/proxy"], insecure: false });
  assertEquals(config.registries.get("other"), { mirrors: [], insecure: true });
  assertEquals(config.stallMs, 1500);
  assertEquals((await load({})).stallMs, 60_000);
});

Deno.test("flags come before the environment", async () => {
  const config = await load({ MINI_REGISTRY_MIRROR: "http://b" }, { mirrors: ["http://a"], insecure: true });
  assertEquals(pullEndpoints("docker.io", config).map(({ name }) => name), [
    "http://a",
    "http://b",
    "registry-1.docker.io",
  ]);
  assertEquals(originEndpoint("ghcr.io", config).bases, ["https://ghcr.io", "http://ghcr.io"]);
});

Deno.test("a mirror stands for one registry only and has credentials of its own", async () => {
  const config = await load({ MINI_REGISTRY_MIRROR: "https://mirror.example/hub" });
  const [mirror, origin] = pullEndpoints("docker.io", config);
  assertEquals([mirror!.domain, mirror!.bases, mirror!.insecure], [
    "mirror.example",
    ["https://mirror.example/hub"],
    false,
  ]);
  assertEquals([origin!.domain, origin!.bases], ["docker.io", ["https://registry-1.docker.io"]]);
  assertEquals(pullEndpoints("ghcr.io", config).length, 1);
});

Deno.test("plain HTTP is tried on this machine and on insecure registries, after https", async () => {
  const config = await load({ MINI_INSECURE_REGISTRIES: "lan:5000" });
  assertEquals(originEndpoint("127.0.0.1:5000", config).bases, ["https://127.0.0.1:5000", "http://127.0.0.1:5000"]);
  assertEquals(originEndpoint("lan:5000", config).bases, ["https://lan:5000", "http://lan:5000"]);
  assertEquals(originEndpoint("lan:5001", config).bases, ["https://lan:5001"]);
  for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1", "127.200.3.4:5", "[::1]:5000"]) {
    assertEquals(isLoopback(host), true);
  }
  for (const host of ["localhost.example", "127.0.0.1.example", "128.0.0.1", "x127.0.0.1", "[::2]"]) {
    assertEquals(isLoopback(host), false, host);
  }
});

Deno.test("what cannot be meant as it is written is refused", async () => {
  const table: Record<string, string>[] = [
    { MINI_REGISTRY_MIRROR: "mirror.example" },
    { MINI_REGISTRY_MIRROR: "ftp://mirror.example" },
    { MINI_REGISTRY_MIRROR: "http://user:password@mirror.example" },
    { MINI_REGISTRY_MIRROR: "http://mirror.example?x" },
    { MINI_REGISTRY_TIMEOUT: "0" },
    { MINI_REGISTRY_TIMEOUT: "soon" },
    { MINI_CONFIG: "/nowhere/config.json" },
  ];
  for (const environment of table) await assertRejects(() => load(environment), MiniError);
  for (
    const text of [
      "",
      "[]",
      "null",
      '{"registries":[]}',
      '{"registries":{"a":1}}',
      '{"registries":{"a":{"mirors":[]}}}',
    ]
  ) {
    assertThrows(() => parseRegistries(text, "config.json"), MiniError, "config.json");
  }
  assertEquals(parseRegistries('{"somebody else\'s":1}', "config.json"), []);
});
