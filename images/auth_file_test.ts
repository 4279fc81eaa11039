import { assertEquals, assertRejects } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { eraseCredentials, findCredentials, storeCredentials } from "./auth_file.ts";
import { serverDomain } from "./auth_login.ts";
import { basicAuthorization, parseToken } from "./auth_token.ts";

/** A home folder with these files; its environment is passed to `body`. */
async function withHome(
  files: Record<string, unknown>,
  body: (environment: (name: string) => string | undefined, home: string) => Promise<void>,
): Promise<void> {
  const home = await Deno.makeTempDir();
  try {
    for (const [path, value] of Object.entries(files)) {
      await Deno.mkdir(`${home}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${home}/${path}`, typeof value === "string" ? value : JSON.stringify(value));
    }
    await body((name) => ({ HOME: home, XDG_RUNTIME_DIR: `${home}/run` })[name], home);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

const entry = (user: string, password: string) => ({ auth: btoa(`${user}:${password}`) });

Deno.test("credentials are found under every form of a registry's name", async () => {
  const auths = {
    "https://index.docker.io/v1/": entry("hub", "1"),
    "https://old.example/v2/": entry("old", "2"),
    "plain.example:5000": entry("plain", "a:b"),
    "token.example": { identitytoken: "T", ...entry("x", "") },
  };
  await withHome({ ".docker/config.json": { auths } }, async (environment) => {
    const find = (domain: string) => findCredentials(domain, "any/repository", environment);
    assertEquals(await find("docker.io"), { username: "hub", password: "1" });
    assertEquals(await find("old.example"), { username: "old", password: "2" });
    assertEquals(await find("plain.example:5000"), { username: "plain", password: "a:b" });
    assertEquals(await find("token.example"), { identityToken: "T" });
    assertEquals(await find("plain.example"), undefined);
  });
});

Deno.test("the longest beginning of a repository's path wins in Podman's file", async () => {
  const auths = {
    "r.example": entry("all", "1"),
    "r.example/team": entry("team", "2"),
    "r.example/team/app": entry("app", "3"),
  };
  await withHome({ "run/containers/auth.json": { auths } }, async (environment) => {
    const find = async (path?: string) => (await findCredentials("r.example", path, environment))?.username;
    assertEquals(
      await Promise.all([find(), find("other"), find("team/x"), find("team/app"), find("team/apps"), find("teams")]),
      [
        "all",
        "all",
        "team",
        "app",
        "team",
        "all",
      ],
    );
  });
});

Deno.test("what is stored can be found, erased, and leaves the rest of the file alone", async () => {
  const before = { detachKeys: "ctrl-x", auths: { "other.example": entry("o", "p") } };
  await withHome({ ".docker/config.json": before }, async (environment, home) => {
    const path = `${home}/.docker/config.json`;
    await Deno.rename(path, `${home}/elsewhere.json`);
    await Deno.symlink(`${home}/elsewhere.json`, path);
    assertEquals(await storeCredentials("docker.io", { username: "ä", password: "€:" }, environment), path);
    assertEquals(await findCredentials("docker.io", undefined, environment), { username: "ä", password: "€:" });
    assertEquals((await Deno.lstat(path)).isSymlink, true);
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    assertEquals(await eraseCredentials("docker.io", environment), true);
    assertEquals(await eraseCredentials("docker.io", environment), false);
    assertEquals(JSON.parse(await Deno.readTextFile(path)), before);
    assertEquals([...Deno.readDirSync(home)].map(({ name }) => name).sort(), [".docker", "elsewhere.json"]);
  });
});

Deno.test("without a file there are no credentials, and a damaged one is told", async () => {
  await withHome({}, async (environment) => {
    assertEquals(await findCredentials("docker.io", undefined, environment), undefined);
    assertEquals(await findCredentials("docker.io", undefined, () => undefined), undefined);
    await assertRejects(() => storeCredentials("docker.io", {}, () => undefined), MiniError, "HOME is not set");
  });
  const damaged: unknown[] = ["{", "[]", { auths: [] }, { auths: { a: "b" } }, { credHelpers: { a: {} } }, {
    auths: { "docker.io": { auth: "!" } },
  }];
  for (const file of damaged) {
    await withHome({ ".docker/config.json": file }, async (environment) => {
      await assertRejects(() => findCredentials("docker.io", undefined, environment), MiniError, "config.json");
    });
  }
});

Deno.test("a server is named in many ways and means one domain", () => {
  const table: [string | undefined, string][] = [
    [undefined, "docker.io"],
    ["docker.io", "docker.io"],
    ["https://index.docker.io/v1/", "docker.io"],
    ["registry-1.docker.io", "docker.io"],
    ["https://r.example:5000/v2/", "r.example:5000"],
    ["localhost", "localhost"],
    ["intranet", "intranet"],
  ];
  for (const [written, domain] of table) assertEquals(serverDomain(written), domain);
});

Deno.test("names and passwords go out in UTF-8, and tokens have an end", () => {
  assertEquals(basicAuthorization("ä", "b:c"), `Basic ${btoa("\xc3\xa4:b:c")}`);
  assertEquals(parseToken('{"token":"t","expires_in":300}', "h", 0), { token: "t", expires: 295_000 });
  assertEquals(parseToken('{"access_token":"t","refresh_token":"r"}', "h", 0), {
    token: "t",
    expires: 55_000,
    refreshToken: "r",
  });
  assertEquals(parseToken('{"token":"t","expires_in":-1}', "h", 0).expires, 55_000);
  assertEquals(parseToken('{"token":"t","expires_in":2}', "h", 0).expires, 1000);
});
