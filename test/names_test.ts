/** Names of containers, and whom they ask for others. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { resolve } from "@std/path";
import { assertRefused, startCommand, until } from "./harness.ts";
import { HOST, type NetworkContext, networkTest, SERVER } from "./network_lab.ts";

/** What busybox's nslookup finds, the addresses in order of their digits; what it says if there is nothing. */
async function lookUp({ mini }: NetworkContext, container: string, name: string): Promise<string[]> {
  const { stdout } = await mini(["exec", container, "nslookup", name]);
  const [, answer = ""] = stdout.split(/^Address:.*:53\n/m);
  return [...new Set([...answer.matchAll(/^Address: (\S+)$/gm)].map(([, address]) => address!))].sort();
}

const addressOf = async ({ ok }: NetworkContext, container: string, network: string) =>
  (await ok("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container)).trim();

networkTest(
  "containers of one network find each other by name, alias, id and address, and others do not",
  async (c) => {
    const { mini, ok } = c;
    await ok("network", "create", "--ipv6", "one");
    await ok("network", "create", "two");
    const id = (await ok(
      "run",
      "-d",
      "--name",
      "web",
      "--network",
      "one",
      "--network-alias",
      "www",
      "starter",
      ...SERVER("web"),
    )).trim();
    const address = await addressOf(c, "web", "one");
    // It asks in the very first moment of its life.
    assertEquals(await ok("run", "--rm", "--network", "one", "starter", "wget", "-qO-", "http://web/"), "web\n");
    await ok("run", "-d", "--name", "client", "--network", "one", "starter", "sleep", "1000");
    await ok("run", "-d", "--name", "stranger", "--network", "two", "starter", "sleep", "1000");
    for (const name of ["web", "WEB", "www", "web.one", id.slice(0, 12)]) {
      const found = await lookUp(c, "client", name);
      assertEquals(found.filter((one) => !one.includes(":")), [address], name);
      assertEquals(found.length, 2, `${name} has an IPv6 address, too`);
    }
    assertStringIncludes((await mini(["exec", "client", "nslookup", address])).stdout, "web.one");
    assertEquals(await lookUp(c, "stranger", "web"), []);
    assertMatch((await mini(["exec", "stranger", "nslookup", "web"])).stdout, /NXDOMAIN/);
    // A second one of that alias shares the work; a new name counts at once; one that ends is forgotten.
    const flags = ["--network", "one", "--network-alias", "www", "--network-alias", "client"];
    await ok("run", "-d", "--name", "web2", ...flags, "starter", ...SERVER("web2"));
    const second = await addressOf(c, "web2", "one");
    // One's name that is another's alias is both of them.
    assertEquals(
      (await lookUp(c, "client", "client")).filter((one) => !one.includes(":")),
      [await addressOf(c, "client", "one"), second].sort(),
    );
    assertEquals((await lookUp(c, "client", "www")).filter((one) => !one.includes(":")), [address, second].sort());
    await ok("rename", "web2", "other");
    assertEquals((await lookUp(c, "client", "other")).filter((one) => !one.includes(":")), [second]);
    await until("the old name is gone", async () => (await lookUp(c, "client", "web2")).length === 0);
    await ok("rm", "-f", "other");
    await until(
      "it is gone",
      async () => (await lookUp(c, "client", "www")).filter((one) => !one.includes(":")).length === 1,
    );
    // Put into the network while it runs.
    await ok("network", "connect", "--alias", "late", "one", "stranger");
    await until("it finds them", async () => (await lookUp(c, "stranger", "web")).includes(address));
    assertEquals((await lookUp(c, "client", "late")).includes(await addressOf(c, "stranger", "one")), true);
    await ok("rm", "-f", "web", "client", "stranger");
    await ok("network", "rm", "one", "two");
  },
);

networkTest(
  "other names are asked of the host's resolvers, of --dns, or of nobody in an internal network",
  async (c) => {
    const { mini, ok } = c;
    const file = resolve(import.meta.dirname!, "name_server.ts");
    const server = startCommand([
      ...c.enter,
      Deno.execPath(),
      "run",
      "-A",
      "--no-check",
      "--quiet",
      file,
      HOST.ip,
      "53",
    ], { timeout: 120_000 });
    try {
      await until("it listens", () => server.stdout().includes("ready"));
      await ok("network", "create", "one");
      await ok("network", "create", "--internal", "inside");
      const flags = ["--dns", HOST.ip, "--dns-search", "a.example", "--dns-option", "ndots:3"];
      await ok("run", "-d", "--name", "client", "--network", "one", ...flags, "starter", "sleep", "1000");
      assertEquals(await lookUp(c, "client", "www.example.org"), ["203.0.113.7"]);
      assertEquals(
        await ok("exec", "client", "cat", "/etc/resolv.conf"),
        "nameserver 127.0.0.11\nsearch a.example\noptions ndots:3\n",
      );
      await ok("run", "-d", "--name", "hidden", "--network", "inside", "--dns", HOST.ip, "starter", "sleep", "1000");
      assertEquals(await lookUp(c, "hidden", "www.example.org"), [], "nothing gets out by way of names");
      // In the default network it asks for itself.
      assertEquals(
        await ok("run", "--rm", "--dns", HOST.ip, "starter", "cat", "/etc/resolv.conf"),
        `nameserver ${HOST.ip}\n${await searchAndOptions(c)}`,
      );
      await ok("rm", "-f", "client", "hidden");
      await ok("network", "rm", "one", "inside");
      const hosts = await ok(
        "run",
        "--rm",
        "--add-host",
        "db:10.9.8.7",
        "--add-host",
        "me:host-gateway",
        "starter",
        "cat",
        "/etc/hosts",
      );
      assertMatch(hosts, /^10\.9\.8\.7\tdb\n[\d.]+\tme\n$/m);
      assertRefused(
        await mini(["run", "--rm", "--network", "none", "--add-host", "a:host-gateway", "starter", "true"]),
        125,
        "host",
      );
      assertRefused(await mini(["run", "--rm", "--dns", "nowhere", "starter", "true"]), 125, "--dns");
    } finally {
      server.kill("SIGKILL");
      await server.output.catch(() => {});
    }
  },
);

networkTest("the names that a container was given stay while it is put into networks and taken out", async (c) => {
  const { ok } = c, hosts = () => ok("exec", "one", "cat", "/etc/hosts");
  await ok("network", "create", "--subnet", "10.1.0.0/24", "red");
  await ok("network", "create", "--subnet", "10.2.0.0/24", "blue");
  const given = ["--add-host", "db:10.9.8.7", "--add-host", "me:host-gateway"];
  await ok("run", "-d", "--name", "one", "--network", "red", "--hostname", "box", ...given, "starter", "sleep", "1000");
  assertMatch(await hosts(), /^10\.1\.0\.2\tbox\n10\.9\.8\.7\tdb\n10\.1\.0\.1\tme\n$/m);
  await ok("network", "connect", "blue", "one");
  assertMatch(await hosts(), /^10\.1\.0\.2\tbox\n10\.2\.0\.2\tbox\n10\.9\.8\.7\tdb\n10\.1\.0\.1\tme\n$/m);
  await ok("network", "disconnect", "red", "one");
  assertMatch(await hosts(), /^10\.2\.0\.2\tbox\n10\.9\.8\.7\tdb\n10\.2\.0\.1\tme\n$/m);
  await ok("network", "disconnect", "blue", "one");
  assertMatch(await hosts(), /^10\.9\.8\.7\tdb\n$/m);
  await ok("rm", "-f", "one");
  await ok("network", "rm", "red", "blue");
});

/** What a container in the default network has of the host's file beside the servers. */
async function searchAndOptions({ ok }: NetworkContext): Promise<string> {
  const text = await ok("run", "--rm", "starter", "cat", "/etc/resolv.conf");
  return text.split("\n").filter((line) => /^(search|domain|options)\b/.test(line)).map((line) => `${line}\n`).join("");
}

networkTest("names outlive the monitor, and a container may be a name server itself", async (c) => {
  const { ok, mini, state } = c;
  await ok("network", "create", "one");
  await ok("run", "-d", "--name", "web", "--network", "one", "starter", ...SERVER("web"));
  await ok("run", "-d", "--name", "client", "--network", "one", "starter", "sleep", "1000");
  // Port 53 is free: a server can be bound there, to every address.
  await ok("exec", "-d", "client", "sh", "-c", "nc -l -p 53 > /got");
  await until(
    "it listens",
    async () => (await mini(["exec", "web", "sh", "-c", "echo hello | nc -w 1 client 53"])).status === 0,
  );
  await until("it got it", async () => (await mini(["exec", "client", "cat", "/got"])).stdout === "hello\n");
  for (let round = 0; round < 3; round++) {
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const words = Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0");
        if (words.includes("monitor") && words.includes(state)) Deno.kill(Number(name), "SIGKILL");
      } catch {
        // it has ended
      }
    }
    await until("names are answered again", async () => {
      const { status, stdout } = await mini(["exec", "client", "wget", "-qO-", "http://web/"]);
      return status === 0 && stdout === "web\n";
    });
  }
  await ok("rm", "-f", "web", "client");
  await ok("network", "rm", "one");
});

networkTest("many ask at the same time, and all get their answers", async (c) => {
  const { ok, mini } = c;
  await ok("network", "create", "one");
  for (const name of ["a1", "b1", "c1"]) {
    await ok("run", "-d", "--name", name, "--network", "one", "starter", "sleep", "1000");
  }
  const script =
    "for i in $(seq 60); do for n in a1 b1 c1; do nslookup $n | grep -q ^Name || echo lost; done; done; echo done";
  const outputs = await Promise.all(
    ["a1", "b1", "c1"].map((name) => mini(["exec", name, "sh", "-c", script], { timeout: 60_000 })),
  );
  for (const { stdout } of outputs) assertEquals(stdout, "done\n");
  await ok("rm", "-f", "a1", "b1", "c1");
  await ok("network", "rm", "one");
});
