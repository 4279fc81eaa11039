/** Who may pull and push: passwords, tokens, credential helpers, certificates; against Debian's docker-registry. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { findCredentials } from "../images/auth_file.ts";
import { Store } from "../images/store.ts";
import { Lab, MINI, missing } from "./registry/lab.ts";
import { capture, deadAddress, run, startRegistry } from "./registry/server.ts";
import { startTokenServer } from "./registry/token_server.ts";
import { isInstalled } from "./mini_command.ts";

const ignore = missing.length > 0;

function test(name: string, body: (lab: Lab) => Promise<void>, more = false): void {
  Deno.test({
    name,
    ignore: ignore || more,
    async fn() {
      await using lab = await Lab.create();
      await body(lab);
    },
  });
}

const credentials = ["--dest-creds=alice:open sesame", "--dest-tls-verify=false"];

test("with basic authentication nothing is had before mini login, and nothing after mini logout", async (lab) => {
  await using registry = await startRegistry({ basic: { username: "alice", password: "open sesame" } });
  const { host } = registry;
  await (await lab.layout({ layers: [{ a: "b" }] })).push(host, "private:1", credentials);
  const denied = await lab.fails(["pull", `${host}/private:1`]);
  assertStringIncludes(denied, "denies access");
  assertStringIncludes(denied, `"mini login ${host}"`);

  const wrong = await lab.fails(["login", "-u", "alice", "--password-stdin", host], { stdin: "guess\n" });
  assertStringIncludes(wrong, "incorrect username or password");
  const file = `${lab.folder}/docker/config.json`;
  await Deno.mkdir(`${lab.folder}/docker`);
  await Deno.writeTextFile(file, '{"psFormat":"table {{.ID}}","auths":{"other.example":{"auth":"YTpi"}}}', {
    mode: 0o644,
  });
  const login = await lab.mini(["login", "-u", "alice", "--password-stdin", host], { stdin: "open sesame\n" });
  assertEquals([login.code, login.stdout], [0, "Login Succeeded\n"]);
  assertStringIncludes(login.stderr, `stored unencrypted in ${file}`);
  assertEquals(Deno.statSync(file).mode! & 0o777, 0o600);
  assertEquals(JSON.parse(Deno.readTextFileSync(file)), {
    psFormat: "table {{.ID}}",
    auths: { "other.example": { auth: "YTpi" }, [host]: { auth: btoa("alice:open sesame") } },
  });
  // Docker's and skopeo's own tools read what was written.
  const skopeo = await run("skopeo", ["inspect", "--raw", "--tls-verify=false", `docker://${host}/private:1`], {
    env: { DOCKER_CONFIG: `${lab.folder}/docker`, HOME: lab.folder, XDG_RUNTIME_DIR: `${lab.folder}/run` },
  });
  assertStringIncludes(skopeo, "schemaVersion");

  assertEquals(await lab.ok(["pull", "-q", `${host}/private:1`]), `${host}/private:1\n`);
  new Store(`${lab.folder}/root`).images.tag(`${host}/private:1`, `${host}/private:2`);
  assertStringIncludes(await lab.ok(["push", `${host}/private:2`]), "2: digest: sha256:");

  assertEquals(await lab.ok(["logout", host]), `Removing login credentials for ${host}\n`);
  assertEquals(await lab.ok(["logout", host]), `Not logged in to ${host}\n`);
  assertEquals(JSON.parse(Deno.readTextFileSync(file)).auths, { "other.example": { auth: "YTpi" } });
  assertStringIncludes(await lab.fails(["pull", `${host}/private:1`]), "denies access");
});

test("Podman's auth.json is read, for a registry and for a part of it", async (lab) => {
  await using registry = await startRegistry({ basic: { username: "alice", password: "open sesame" } });
  const { host } = registry;
  await (await lab.layout({ layers: [{ a: "b" }] })).push(host, "team/private:1", credentials);
  await Deno.mkdir(`${lab.folder}/run/containers`, { recursive: true });
  const entry = { auth: btoa("alice:open sesame") };
  for (const key of [host, `${host}/team`, `${host}/team/private`]) {
    const auths = { [host]: { auth: btoa("alice:wrong") }, [key]: entry };
    await Deno.writeTextFile(`${lab.folder}/run/containers/auth.json`, JSON.stringify({ auths }));
    await lab.ok(["pull", "-q", `${host}/team/private:1`], { root: `${lab.folder}/root-${key.length}` });
  }
  const auths = { [`${host}/tea`]: entry };
  await Deno.writeTextFile(`${lab.folder}/run/containers/auth.json`, JSON.stringify({ auths }));
  assertStringIncludes(await lab.fails(["pull", `${host}/team/private:1`]), "denies access");
});

test("a credential helper is asked, told and made to forget", async (lab) => {
  await using registry = await startRegistry({ basic: { username: "alice", password: "open sesame" } });
  const { host } = registry;
  await (await lab.layout({ layers: [{ a: "b" }] })).push(host, "private:1", credentials);
  await Deno.mkdir(`${lab.folder}/bin`);
  await Deno.writeTextFile(
    `${lab.folder}/bin/docker-credential-vault`,
    `#!/bin/sh
cd "$HOME"; echo "$1" >> helper.log
case $1 in
get) cat > /dev/null; cat kept 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; };;
store) cat > kept;;
erase) cat > /dev/null; rm kept;;
esac
`,
    { mode: 0o755 },
  );
  await Deno.mkdir(`${lab.folder}/docker`);
  const file = `${lab.folder}/docker/config.json`;
  const env = { PATH: `${lab.folder}/bin:${Deno.env.get("PATH")}` };
  for (const config of [{ credsStore: "vault" }, { credHelpers: { [host]: "vault" } }]) {
    await Deno.writeTextFile(file, JSON.stringify(config));
    assertStringIncludes(await lab.fails(["pull", `${host}/private:1`], { env }), "denies access");
    const login = await lab.mini(["login", "-u", "alice", "--password-stdin", host], { stdin: "open sesame", env });
    assertEquals([login.code, login.stdout, login.stderr], [0, "Login Succeeded\n", ""]);
    assert(!Deno.readTextFileSync(file).includes(btoa("alice:open sesame")));
    assertEquals(JSON.parse(Deno.readTextFileSync(`${lab.folder}/kept`)), {
      ServerURL: host,
      Username: "alice",
      Secret: "open sesame",
    });
    await lab.ok(["pull", "-q", `${host}/private:1`], { env });
    assertEquals(await lab.ok(["logout", host], { env }), `Removing login credentials for ${host}\n`);
    assertStringIncludes(await lab.fails(["pull", `${host}/private:1`], { env }), "denies access");
  }
  await Deno.writeTextFile(file, '{"credsStore":"nobody-has-this"}');
  assertStringIncludes(
    await lab.fails(["pull", `${host}/private:1`]),
    "docker-credential-nobody-has-this is configured but not installed",
  );
  await Deno.writeTextFile(file, '{"credsStore":"../../bin/sh"}');
  assertStringIncludes(await lab.fails(["pull", `${host}/private:1`]), "not the name of a credential helper");
});

test("bearer tokens are asked for by scope, for strangers and for accounts", async (lab) => {
  await using tokens = await startTokenServer(lab.folder, {
    passwords: { alice: "open sesame", bob: "builder" },
    rights: {
      "": { "public/app": ["pull"] },
      alice: { "public/app": ["pull", "push"], "alice/app": ["pull", "push"], "alice/new": ["pull", "push"] },
      bob: { "alice/app": ["pull"] },
    },
  });
  await using registry = await startRegistry({ token: tokens });
  const { host } = registry;
  const layout = await lab.layout({ layers: [{ a: "b" }, { c: "d" }] });
  await layout.push(host, "public/app:1", credentials);
  await layout.push(host, "alice/app:1", credentials);
  tokens.asked.length = 0;

  await lab.ok(["pull", "-q", `${host}/public/app:1`]);
  // One token for the manifest, the configuration and both layers.
  assertEquals(tokens.asked, [{
    method: "GET",
    account: "",
    scopes: ["repository:public/app:pull"],
    refreshed: false,
  }]);
  assertStringIncludes(await lab.fails(["pull", `${host}/alice/app:1`]), "denies access");
  const login = (user: string, stdin: string) => lab.mini(["login", "-u", user, "--password-stdin", host], { stdin });
  assertStringIncludes(
    (await login("bob", "nonsense")).stderr,
    `refuses a token for "bob": incorrect username or password`,
  );

  assertEquals((await login("bob", "builder")).stdout, "Login Succeeded\n");
  await lab.ok(["pull", "-q", `${host}/alice/app:1`]);
  const store = new Store(`${lab.folder}/root`);
  store.images.tag(`${host}/alice/app:1`, `${host}/alice/app:2`);
  assertStringIncludes(await lab.fails(["push", `${host}/alice/app:2`]), "denies access");
  assertEquals((await login("alice", "open sesame")).stdout, "Login Succeeded\n");
  tokens.asked.length = 0;
  assertStringIncludes(await lab.ok(["push", `${host}/alice/app:2`]), `2: digest: ${layout.digest}`);
  assertEquals(tokens.asked.map(({ account, scopes }) => [account, ...scopes]), [[
    "alice",
    "repository:alice/app:pull,push",
  ]]);

  // To mount, the token must be for both repositories.
  store.images.tag(`${host}/alice/app:1`, `${host}/alice/new:1`);
  tokens.asked.length = 0;
  assertStringIncludes(await lab.ok(["push", `${host}/alice/new:1`]), ": Mounted from alice/app");
  assertEquals(tokens.asked.map(({ scopes }) => scopes), [
    ["repository:alice/new:pull,push"],
    ["repository:alice/new:pull,push", "repository:alice/app:pull"],
  ]);
});

test("a token server's refresh token is kept in place of the password, and used", async (lab) => {
  await using tokens = await startTokenServer(lab.folder, {
    passwords: { alice: "open sesame" },
    rights: { alice: { app: ["pull", "push"] } },
    refresh: true,
  });
  await using registry = await startRegistry({ token: tokens });
  const { host } = registry;
  await (await lab.layout({ layers: [{ a: "b" }] })).push(host, "app:1", credentials);
  await lab.ok(["login", "-u", "alice", "--password-stdin", host], { stdin: "open sesame" });
  const file = `${lab.folder}/docker/config.json`;
  const entry = JSON.parse(Deno.readTextFileSync(file)).auths[host];
  assertEquals([atob(entry.auth), entry.identitytoken.length], ["alice:", 36]);
  tokens.asked.length = 0;
  await lab.ok(["pull", "-q", `${host}/app:1`]);
  assertEquals(tokens.asked, [{ method: "POST", account: "alice", scopes: ["repository:app:pull"], refreshed: true }]);
  assert(!Deno.readTextFileSync(file).includes("sesame"));
});

test("login says what it needs", async (lab) => {
  await using registry = await startRegistry();
  assertStringIncludes(await lab.fails(["login", registry.host]), "not a terminal; give --username");
  assertStringIncludes(await lab.fails(["login", "-u", "a", registry.host]), "give --password-stdin");
  assertStringIncludes(
    await lab.fails(["login", "--password-stdin", registry.host], { stdin: "x" }),
    "needs --username",
  );
  assertStringIncludes(
    await lab.fails(["login", "-u", "a", "--password-stdin", registry.host], { stdin: "" }),
    "no password",
  );
  assertStringIncludes(await lab.fails(["login", "-u", "a", "-p", "b", "--password-stdin", registry.host]), "together");
  using dead = deadAddress();
  assertStringIncludes(await lab.fails(["login", "-u", "a", "-p", "b", dead.host]), `${dead.host} cannot be reached`);
  assertStringIncludes(await lab.fails(["login", "-u", "a", "-p", "b", "a b"]), "not a registry's address");
  // A registry that wants no password accepts any, as with Docker.
  const open = await lab.mini(["login", "-u", "a", "-p", "b", registry.host]);
  assertEquals([open.code, open.stdout], [0, "Login Succeeded\n"]);
  assertStringIncludes(open.stderr, "WARNING! Using --password via the CLI is insecure");
});

test("a password is typed without being shown", async (lab) => {
  await using registry = await startRegistry({ basic: { username: "alice", password: "open sesame" } });
  const typed = await capture("script", ["-qec", `${MINI} login ${registry.host}`, "/dev/null"], {
    // The mistake is rubbed out.
    stdin: "alice\nopen sesamx\x7fe\n",
    env: lab.environment({ TERM: "xterm" }),
  });
  assertEquals(typed.code, 0, typed.stdout);
  assertStringIncludes(typed.stdout, "Username: ");
  assertStringIncludes(typed.stdout, "Login Succeeded");
  const shown = typed.stdout.slice(typed.stdout.indexOf("Password: "));
  assert(!shown.includes("sesam"), shown);
  assertEquals(await findCredentials(registry.host, undefined, (name) => lab.environment()[name]), {
    username: "alice",
    password: "open sesame",
  });
}, !isInstalled("script"));

/** A certificate authority and a certificate of it for `0.0.0.0`, which is reached like loopback but not called so. */
async function makeCertificates(folder: string): Promise<void> {
  const subject = (name: string) => ["-subj", `/CN=${name}`];
  const key = (name: string) => ["-newkey", "rsa:2048", "-nodes", "-keyout", `${folder}/${name}.key`];
  await run("openssl", [
    "req",
    "-x509",
    ...key("ca"),
    "-out",
    `${folder}/ca.crt`,
    "-days",
    "2",
    ...subject("test authority"),
  ]);
  for (const [name, alternative] of [["server", "IP:0.0.0.0,IP:127.0.0.1"], ["client", "DNS:client"]] as const) {
    await run("openssl", ["req", ...key(name), "-out", `${folder}/${name}.csr`, ...subject(name)]);
    await Deno.writeTextFile(`${folder}/${name}.ext`, `subjectAltName=${alternative}\n`);
    await run("openssl", [
      ...["x509", "-req", "-in", `${folder}/${name}.csr`, "-CA", `${folder}/ca.crt`, "-CAkey", `${folder}/ca.key`],
      ...["-CAcreateserial", "-days", "2", "-out", `${folder}/${name}.crt`, "-extfile", `${folder}/${name}.ext`],
    ]);
  }
  await run("openssl", [
    ...["req", "-x509", ...key("self"), "-out", `${folder}/self.crt`, "-days", "2", ...subject("self")],
    ...["-addext", "subjectAltName=IP:0.0.0.0"],
  ]);
}

test("certificates are verified against the folders of Docker and Podman, or not at all where that is allowed", async (lab) => {
  const { folder } = lab;
  await makeCertificates(folder);
  await using registry = await startRegistry({
    tls: { certificate: `${folder}/server.crt`, key: `${folder}/server.key` },
  });
  await (await lab.layout({ layers: [{ a: "b" }] })).push(registry.host, "app:1");
  const host = `0.0.0.0:${registry.port}`;
  const again = () => ({ root: `${folder}/root-${crypto.randomUUID()}` });
  assertStringIncludes(await lab.fails(["pull", `${host}/app:1`]), "signed by an unknown authority");
  assertEquals(await lab.ok(["pull", "-q", "--tls-verify=false", `${host}/app:1`], again()), `${host}/app:1\n`);
  await lab.ok(["pull", "-q", `${host}/app:1`], { ...again(), env: { MINI_INSECURE_REGISTRIES: host } });
  await lab.ok(["pull", "-q", `127.0.0.1:${registry.port}/app:1`], again()); // this machine itself
  const certs = `${folder}/certs.d`;
  await Deno.mkdir(`${certs}/${host}`, { recursive: true });
  await Deno.copyFile(`${folder}/ca.crt`, `${certs}/${host}/ca.crt`);
  const env = { MINI_CERTS_DIR: certs };
  await lab.ok(["pull", "-q", `${host}/app:1`], { ...again(), env });
  await lab.ok(["pull", "-q", `${host}/app:1`], { ...again(), env: { SSL_CERT_FILE: `${folder}/ca.crt` } });
  // An upload over a connection that is not verified.
  const pushed = { root: `${folder}/root-push`, env: { MINI_INSECURE_REGISTRIES: host } };
  await lab.ok(["pull", "-q", `${host}/app:1`], pushed);
  new Store(pushed.root).images.tag(`${host}/app:1`, `${host}/copy:1`);
  assertStringIncludes(await lab.ok(["push", `${host}/copy:1`], pushed), "1: digest: ");
  await Deno.writeTextFile(`${certs}/${host}/mine.cert`, "x");
  assertStringIncludes(await lab.fails(["pull", `${host}/app:1`], { env }), "certificate without its key");
});

test("a self-signed certificate that an administrator put into the folder is taken, another one is not", async (lab) => {
  const { folder } = lab;
  await makeCertificates(folder);
  await using registry = await startRegistry({ tls: { certificate: `${folder}/self.crt`, key: `${folder}/self.key` } });
  await (await lab.layout({ layers: [{ a: "b" }] })).push(registry.host, "app:1");
  const host = `0.0.0.0:${registry.port}`;
  assertStringIncludes(await lab.fails(["pull", `${host}/app:1`]), "its certificate is self-signed");
  await Deno.mkdir(`${folder}/certs.d/${host}`, { recursive: true });
  const env = { MINI_CERTS_DIR: `${folder}/certs.d` };
  await Deno.copyFile(`${folder}/ca.crt`, `${folder}/certs.d/${host}/ca.crt`);
  assertStringIncludes(await lab.fails(["pull", `${host}/app:1`], { env }), "certificate");
  await Deno.copyFile(`${folder}/self.crt`, `${folder}/certs.d/${host}/ca.crt`);
  assertEquals(await lab.ok(["pull", "-q", `${host}/app:1`], { env }), `${host}/app:1\n`);
});

test("a registry that asks for our certificate is given it", async (lab) => {
  const { folder } = lab;
  await makeCertificates(folder);
  const tls = { certificate: `${folder}/server.crt`, key: `${folder}/server.key`, clientAuthority: `${folder}/ca.crt` };
  await using registry = await startRegistry({ tls });
  const host = `0.0.0.0:${registry.port}`;
  const certs = `${folder}/certs.d/${host}`;
  await Deno.mkdir(certs, { recursive: true });
  await Deno.copyFile(`${folder}/ca.crt`, `${certs}/ca.crt`);
  const env = { MINI_CERTS_DIR: `${folder}/certs.d` };
  assertStringIncludes(await lab.fails(["pull", `${host}/app:1`], { env }), host);
  for (const [from, to] of [["client.crt", "client.cert"], ["client.key", "client.key"]]) {
    await Deno.copyFile(`${folder}/${from}`, `${certs}/${to}`);
  }
  await (await lab.layout({ layers: [{ a: "b" }] })).push(host, "app:1", [`--dest-cert-dir=${certs}`]);
  assertEquals(await lab.ok(["pull", "-q", `${host}/app:1`], { env }), `${host}/app:1\n`);
});
