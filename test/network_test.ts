import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertRefused, needsProgram, until } from "./harness.ts";
import {
  addressOf,
  fromContainer,
  fromHost,
  fromOutside,
  HOST,
  type NetworkContext,
  networkTest,
  OUTSIDE,
  serve,
  SERVER,
} from "./network_lab.ts";

networkTest(
  "a container is in the default network, which reaches the host, its other containers and beyond",
  async (c) => {
    const { ok, script } = c;
    await serve(c, "web");
    const ip = await addressOf(c, "web", "bridge");
    assertMatch(ip, /^172\.17\.0\.2$/);
    const inside = await ok(
      "run",
      "--rm",
      "starter",
      "sh",
      "-c",
      `wget -qO- http://${ip}/; ip route; ip -o -4 address show eth0; cat /etc/hosts`,
    );
    assertStringIncludes(inside, "web\ndefault via 172.17.0.1 dev eth0");
    assertMatch(inside, /inet 172\.17\.0\.3\/20 /);
    assertMatch(inside, /^172\.17\.0\.3\t[0-9a-f]{12}$/m);
    assertEquals(await fromHost(c)(`http://${ip}/cgi-bin/who`), "172.17.0.1");
    // Beyond the host it has the host's address.
    const [ping] = await Promise.all([ok("exec", "web", "ping", "-c", "1", "-W", "1", OUTSIDE.ip)]);
    assertStringIncludes(ping, "1 packets received");
    assertMatch(await script("ip -br link show mini0"), /^mini0 +UP/);
    await ok("rm", "-f", "web");
  },
);

networkTest(
  "who reaches whom: networks are apart, internal ones have no way out, published ports are open to all",
  async (c) => {
    const { ok } = c;
    await Promise.all([
      ok("network", "create", "--ipv6", "red"),
      ok("network", "create", "blue"),
      ok("network", "create", "--internal", "dark"),
    ]);
    const everywhere = ["-p", "0.0.0.0:8080:80", "-p", "[::]:8080:80", "-p", "0.0.0.0:5353:53/udp"];
    await Promise.all([
      serve(c, "r1", "--network", "red", ...everywhere, "-p", "8081:80"),
      serve(c, "r2", "--network", "red"),
      serve(c, "b1", "--network", "blue"),
      serve(c, "d1", "--network", "dark"),
      serve(c, "d2", "--network", "dark"),
    ]);
    const [r1, r2, b1, d1] = await Promise.all([
      addressOf(c, "r1", "red"),
      addressOf(c, "r2", "red"),
      addressOf(c, "b1", "blue"),
      addressOf(c, "d1", "dark"),
    ]);
    const r1v6 = await addressOf(c, "r1", "red", "GlobalIPv6Address"),
      r2v6 = await addressOf(c, "r2", "red", "GlobalIPv6Address");
    await c.outside(["ip", "route", "add", "172.16.0.0/12", "via", HOST.ip]);
    const host = fromHost(c), outside = fromOutside(c);
    const [inR1, inR2, inB1, inD1, inD2] = ["r1", "r2", "b1", "d1", "d2"].map((name) => fromContainer(c, name));
    const who = (address: string, port = 80) =>
      `http://${address.includes(":") ? `[${address}]` : address}:${port}/cgi-bin/who`;
    const NOT = "";
    const table: [what: string, answer: Promise<string>, expected: string][] = [
      ["the host reaches a container", host(who(b1)), await gatewayOf(c, "blue")],
      ["the host reaches an internal one", host(who(d1)), await gatewayOf(c, "dark")],
      ["same network", inR2!(who(r1)), r2],
      ["same network, IPv6", inR2!(who(r1v6)), r2v6],
      ["same internal network", inD2!(who(d1)), await addressOf(c, "d2", "dark")],
      ["other network", inB1!(who(r1)), NOT],
      ["other network, the other way", inR1!(who(b1)), NOT],
      ["into an internal network", inB1!(who(d1)), NOT],
      ["out of an internal network to another", inD1!(who(b1)), NOT],
      ["outside, with a route and without a published port", outside(who(b1)), NOT],
      ["outside, past the published port", outside(who(r1)), NOT],
      ["published, from outside: the source is kept", outside(who(HOST.ip, 8080)), OUTSIDE.ip],
      ["published, from outside, IPv6", outside(who(HOST.ip6, 8080)), OUTSIDE.ip6],
      ["published, from the host", host(who(HOST.ip, 8080)), HOST.ip],
      ["published, from the host, IPv6", host(who(HOST.ip6, 8080)), HOST.ip6],
      ["published everywhere, at loopback", host(who("127.0.0.1", 8080)), await gatewayOf(c, "red")],
      ["published, from another network", inB1!(who(HOST.ip, 8080)), b1],
      ["published, from its own network", inR2!(who(HOST.ip, 8080)), await gatewayOf(c, "red")],
      ["published, from itself", inR1!(who(HOST.ip, 8080)), await gatewayOf(c, "red")],
      ["published, from an internal network", inD1!(who(HOST.ip, 8080)), NOT],
      ["published at loopback, from there", host(who("127.0.0.1", 8081)), await gatewayOf(c, "red")],
      ["published at loopback, from outside", outside(who(HOST.ip, 8081)), NOT],
      ["published at loopback, from a container", inB1!(who(await gatewayOf(c, "blue"), 8081)), NOT],
    ];
    const answers = await Promise.all(table.map(([, answer]) => answer));
    assertEquals(table.map(([what], i) => [what, answers[i]]), table.map(([what, , expected]) => [what, expected]));

    await using _ = await echoInside(c, "r1", 53);
    const udp = async (run: NetworkContext["host"], address: string, port: number) => {
      const ask = `exec 3<>/dev/udp/${address}/${port}; echo hello >&3; timeout 1 head -n 1 <&3`;
      return (await run(["bash", "-c", ask])).stdout;
    };
    assertEquals(await udp(c.outside, HOST.ip, 5353), "hello\n");
    assertEquals(await udp(c.host, "127.0.0.1", 5353), "hello\n");
    assertEquals(await udp(c.outside, HOST.ip, 53), "");

    assertMatch((await c.mini(["exec", "d1", "ping", "-c", "1", "-W", "1", OUTSIDE.ip])).stderr, /unreachable/i);
    await ok("rm", "-f", "r1", "r2", "b1", "d1", "d2");
    await ok("network", "rm", "red", "blue", "dark");
  },
);

/** A server in a container's network that sends UDP packets back; ends with the test. */
async function echoInside({ ok, folder }: NetworkContext, name: string, port: number): Promise<AsyncDisposable> {
  const pid = (await ok("inspect", "-f", "{{.State.Pid}}", name)).trim(), script = `${folder}/echo.ts`;
  Deno.writeTextFileSync(
    script,
    `const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: ${port} });
     console.log("ready");
     for await (const [data, from] of socket) await socket.send(data, from);`,
  );
  const child = new Deno.Command("nsenter", {
    args: [`--net=/proc/${pid}/ns/net`, "--", Deno.execPath(), "run", "-A", "--no-check", "--unstable-net", script],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

/** The address of the host in a network. */
async function gatewayOf({ ok }: NetworkContext, network: string): Promise<string> {
  return (await ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", network)).trim();
}

networkTest("nobody reaches what listens at the host's own loopback through a bridge", async (c) => {
  await using _ = serverOnHost(c, "127.0.0.1", 9000);
  await c.ok("run", "-d", "--name", "spy", "--cap-add", "NET_ADMIN", "starter", "sleep", "1000");
  await until("the server is there", async () => await fromHost(c)("http://127.0.0.1:9000/") !== "");
  const reached = await c.mini([
    "exec",
    "--privileged",
    "spy",
    "sh",
    "-c",
    "ip route del 127.0.0.0/8 table local dev lo; ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via 172.17.0.1; timeout 2 wget -qO- http://127.0.0.1:9000/",
  ]);
  assertEquals(reached.stdout, "");
  await c.ok("rm", "-f", "spy");
});

/** A server of the host's; ends with the test. */
function serverOnHost({ host, folder }: NetworkContext, address: string, port: number): AsyncDisposable {
  Deno.mkdirSync(`${folder}/www`, { recursive: true });
  Deno.writeTextFileSync(`${folder}/www/index.html`, "the host\n");
  const pidFile = `${folder}/httpd.pid`;
  const running = host([
    "sh",
    "-c",
    `echo $$ > ${pidFile}; exec busybox httpd -f -p ${address}:${port} -h ${folder}/www`,
  ]);
  return {
    [Symbol.asyncDispose]: async () => {
      Deno.kill(Number(Deno.readTextFileSync(pidFile)), "SIGKILL");
      await running;
    },
  };
}

networkTest("a port that is taken is told before anything is made", async (c) => {
  const { ok, mini } = c;
  await using _ = serverOnHost(c, "127.0.0.1", 9000);
  await until("the server is there", async () => await fromHost(c)("http://127.0.0.1:9000/") !== "");
  assertRefused(
    await mini(["run", "--rm", "-p", "9000:80", "starter", "true"]),
    125,
    "127.0.0.1:9000/tcp",
    "a program of this host",
  );
  await ok("run", "-d", "--name", "one", "-p", "9001:80", "starter", "sleep", "1000");
  for (const flags of [["-p", "9001:81"], ["-p", "0.0.0.0:9001:81"], ["-p", "9002:82", "-p", "9001:81"]]) {
    const refused = await mini(["run", "-d", "--name", "two", "--rm", ...flags, "starter", "sleep", "1000"]);
    assertRefused(refused, 125, ":9001/tcp is taken by the container");
  }
  await ok("run", "--rm", "-p", "9001:80/udp", "-p", "9002:82", "starter", "true");
  await ok("rm", "-f", "one");
  await ok("run", "--rm", "-p", "9001:80", "starter", "true");
});

networkTest("ranges, any port, all exposed ports: ps, port and inspect show them alike", async (c) => {
  const { ok, mini } = c;
  await ok(
    "run",
    "-d",
    "--name",
    "many",
    "-p",
    "9000-9002:80-82",
    "-p",
    "90",
    "-P",
    "--expose",
    "100/udp",
    "starter",
    "sleep",
    "60",
  );
  const lines = (await ok("port", "many")).trim().split("\n");
  assertEquals(lines.slice(0, 3), ["80/tcp -> 127.0.0.1:9000", "81/tcp -> 127.0.0.1:9001", "82/tcp -> 127.0.0.1:9002"]);
  assertMatch(lines[3]!, /^90\/tcp -> 127\.0\.0\.1:\d+$/);
  assertMatch(lines[4]!, /^100\/udp -> 127\.0\.0\.1:\d+$/);
  assertEquals(await ok("port", "many", "81"), "127.0.0.1:9001\n");
  assertRefused(await mini(["port", "many", "83/udp"]), 1, "83/udp");
  const ports = await ok("ps", "--format", "{{.Ports}}");
  assertMatch(ports, /^127\.0\.0\.1:9000-9002->80-82\/tcp, 127\.0\.0\.1:\d+->90\/tcp, 127\.0\.0\.1:\d+->100\/udp\n$/);
  const bound = JSON.parse(await ok("inspect", "-f", "{{json .NetworkSettings.Ports}}", "many"));
  assertEquals(bound["80/tcp"], [{ HostIp: "127.0.0.1", HostPort: "9000" }]);
  assertEquals(await ok("ps", "-q", "--filter", "publish=9001"), await ok("ps", "-q", "--filter", "name=many"));
  await ok("rm", "-f", "many");
});

networkTest("what was killed is cleared by whoever comes next, and its address and port are free", async (c) => {
  const { ok, script } = c;
  await ok("network", "create", "--subnet", "10.77.0.0/24", "lan");
  const flags = ["--network", "lan", "--ip", "10.77.0.9", "-p", "9000:80"];
  for (const name of ["first", "second"]) {
    await serve(c, name, ...flags);
    assertEquals(await fromHost(c)("http://127.0.0.1:9000/"), name);
    if (name === "second") break;
    const state = JSON.parse(
      Deno.readTextFileSync(`${c.state}/containers/${(await ok("ps", "-q", "--no-trunc")).trim()}/state.json`),
    );
    for (const pid of [state.shim.pid, state.pid]) Deno.kill(pid, "SIGKILL");
    await until("it is dead", async () => await ok("ps", "-q") === "");
  }
  assertEquals(
    (await script("ip -o link show master mini-$(ip -br link | sed -n 's/^mini-\\([0-9a-f]*\\).*/\\1/p')")).trim()
      .split("\n").length,
    1,
  );
  await ok("rm", "-f", "first", "second");
  // In the foreground, where the command dies with its container.
  const running = c.host([...c.command, "run", "--rm", "--name", "third", ...flags, "starter", ...SERVER("third")]);
  await until("it serves", async () => await fromHost(c)("http://127.0.0.1:9000/") === "third");
  const pid = (await script(`pgrep -f -x -- '.*${c.state} run --rm --name third.*' | head -1`)).trim();
  Deno.kill(Number(pid), "SIGKILL");
  await running;
  assertEquals(await ok("run", "--rm", ...flags, "starter", "hostname", "-i"), "10.77.0.9\n");
  assertEquals(await ok("ps", "-aq"), "");
  await ok("network", "rm", "lan");
});

networkTest("another firewall's policy is told with what to do about it, and is never changed by us", async (c) => {
  const { ok, script, mini } = c;
  await script(
    "nft add table ip strict; nft add chain ip strict stop '{ type filter hook forward priority 0; policy drop; }'",
  );
  const theirs = await script("nft list table ip strict");
  await ok("run", "-d", "--name", "one", "starter", "sleep", "1000");
  const ping = () => mini(["exec", "one", "ping", "-c", "1", "-W", "1", OUTSIDE.ip]);
  assertEquals((await ping()).status, 1);
  const { stderr } = await mini(["system", "check"]);
  const [, advice = ""] =
    /^mini: note: the firewall chain ip strict stop drops .* to let that pass: (.*)\n$/.exec(stderr) ?? [];
  assertEquals(await script("nft list table ip strict"), theirs);
  await script(advice);
  assertEquals((await ping()).status, 0);
  assertEquals((await mini(["system", "check"])).stderr, "");
  await ok("rm", "-f", "one");
  assertMatch(await script("nft list tables"), /^table ip strict\ntable ip mini\n$/m);
}, [needsProgram("nft")]);

networkTest("our tables come back after somebody has removed them", async (c) => {
  const { ok, script, state } = c, url = "http://127.0.0.1:9000/";
  // In the foreground nobody watches: the next command that needs them makes them again.
  const foreground = c.host([
    ...c.command,
    "run",
    "--rm",
    "--name",
    "one",
    "-p",
    "9000:80",
    "starter",
    ...SERVER("one"),
  ]);
  await until("it serves", async () => await fromHost(c)(url) === "one");
  const ours = await script("nft list table ip mini");
  await script("nft flush ruleset");
  assertEquals(await fromHost(c)(url), "");
  assertMatch(await ok("system", "check"), /\nnothing was left behind\nmade again: the firewall table mini\n$/);
  assertEquals(await script("nft list table ip mini"), ours);
  assertEquals(await fromHost(c)(url), "one");
  await script("nft flush ruleset");
  await ok("run", "--rm", "starter", "true");
  assertEquals(await fromHost(c)(url), "one");
  await ok("rm", "-f", "one");
  await foreground;
  // While one runs in the background, the monitor does, and says so.
  await serve(c, "two", "-p", "9000:80");
  for (let round = 1; round <= 3; round++) {
    await script(`nft -f - <<'END'
flush ruleset
table ip theirs {
}
END`);
    await until("the monitor has made them again", async () => await fromHost(c)(url) === "two");
    const log = await until("it is told", () => {
      const lines = Deno.readTextFileSync(`${state}/monitor.log`).match(/removed the firewall table mini/g) ?? [];
      return lines.length >= round && lines;
    });
    assertEquals(log.length, round);
  }
  assertEquals((await script("nft list table ip mini")).includes("9000"), true);
  assertMatch(await ok("system", "check"), /\nnothing was left behind\n$/);
  await ok("rm", "-f", "two");
  assertEquals((await script("nft list table ip mini")).includes("9000"), false);
}, [needsProgram("nft")]);

networkTest("what somebody has taken from a bridge is put back by system check", async (c) => {
  const { ok, script } = c, url = "http://127.0.0.1:9000/";
  await serve(c, "one", "-p", "9000:80");
  await script(
    "ip addr flush dev mini0 scope global; ip link set mini0 down; echo 0 > /proc/sys/net/ipv4/conf/mini0/route_localnet",
  );
  assertEquals(await fromHost(c)(url), "");
  assertMatch(
    await ok("system", "check"),
    /\nmade again: the address 172\.17\.0\.1 of mini0\nmade again: mini0, which was down\nmade again: route_localnet of mini0\n$/,
  );
  assertEquals(await fromHost(c)(url), "one");
  assertMatch(await ok("exec", "one", "ping", "-c", "1", "-W", "5", OUTSIDE.ip), /1 packets received/);
  await ok("rm", "-f", "one");
});

networkTest("the monitor goes although a container in the foreground still has a network", async (c) => {
  const { ok, state } = c;
  const foreground = c.host([...c.command, "run", "--rm", "--name", "long", "starter", "sleep", "1000"]);
  await until("it runs", async () => (await ok("ps", "-q")) !== "");
  await ok("run", "-d", "--rm", "starter", "true");
  await until("nobody watches any more", () => !isWatched(state));
  await ok("rm", "-f", "long");
  await foreground;
});

/** Whether there is a monitor of these folders. */
const isWatched = (state: string) =>
  [...Deno.readDirSync("/proc")].some(({ name }) => {
    try {
      const words = /^\d+$/.test(name) ? Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0") : [];
      return words.includes("monitor") && words.includes(state);
    } catch {
      return false; // it has ended
    }
  });

networkTest(
  "a container that runs is put into networks and taken out, its ports and its way out with it",
  async (c) => {
    const { ok, mini } = c;
    await ok("network", "create", "--subnet", "10.1.0.0/24", "one");
    await ok("network", "create", "--subnet", "10.2.0.0/24", "two");
    await serve(c, "web", "--network", "one", "-p", "9000:80");
    await ok("network", "connect", "--ip", "10.2.0.7", "--alias", "other", "two", "web");
    assertMatch(
      await ok("exec", "web", "ip", "-o", "-4", "addr"),
      /eth0 +inet 10\.1\.0\.2\/24[^]*eth1 +inet 10\.2\.0\.7\/24/,
    );
    assertRefused(await mini(["network", "connect", "two", "web"]), 1, "already");
    assertRefused(await mini(["network", "rm", "two"]), 1, "has containers in it");
    await ok("network", "disconnect", "one", "web");
    assertEquals(
      await ok("exec", "web", "ip", "route"),
      "default via 10.2.0.1 dev eth1 \n10.2.0.0/24 dev eth1 scope link  src 10.2.0.7 \n",
    );
    assertEquals(await fromHost(c)("http://127.0.0.1:9000/"), "web");
    await ok("network", "disconnect", "two", "web");
    assertEquals(await fromHost(c)("http://127.0.0.1:9000/"), "");
    await ok("network", "connect", "one", "web");
    assertEquals(await fromHost(c)("http://127.0.0.1:9000/"), "web");
    assertEquals(
      await ok("inspect", "-f", "{{range $n, $_ := .NetworkSettings.Networks}}{{$n}} {{end}}", "web"),
      "one \n",
    );
    assertRefused(await mini(["network", "disconnect", "two", "web"]), 1, "not in the network");
    await ok("network", "disconnect", "-f", "two", "web");
    // What was said while it did not run holds when it is started.
    await ok("stop", "-t", "0", "web");
    await ok("network", "connect", "two", "web");
    await ok("start", "web");
    assertMatch(await ok("exec", "web", "ip", "-o", "-4", "addr"), /inet 10\.1\.0\.[^]*inet 10\.2\.0\./);
    await ok("rm", "-f", "web");
    await ok("network", "rm", "one", "two");
  },
);

networkTest("host, none and another container's network", async (c) => {
  const { ok, mini } = c;
  assertStringIncludes(await ok("run", "--rm", "--network", "host", "starter", "ip", "address"), HOST.ip);
  assertEquals(
    (await ok("run", "--rm", "--network", "none", "starter", "ip", "-o", "link")).trim().split("\n").length <= 3,
    true,
  );
  await serve(c, "web", "-p", "9000:80");
  const shared = ["run", "--rm", "--network", "container:web"];
  assertEquals(await ok(...shared, "starter", "wget", "-qO-", "http://127.0.0.1/"), "web\n");
  for (const flag of [["-p", "1:1"], ["--ip", "10.0.0.1"], ["--network-alias", "x"]]) {
    assertRefused(await mini([...shared, ...flag, "starter", "true"]), 125, "container:web");
  }
  await ok("rm", "-f", "web");
});

networkTest("many containers and networks come and go at the same time, and nothing is left", async (c) => {
  const { ok, script } = c;
  await ok("network", "create", "--subnet", "10.9.0.0/24", "shared");
  const mini = c.command.join(" ");
  const worker = (w: number) =>
    script(`
      for i in 1 2 3 4 5; do
        ${mini} network create w${w}-$i >/dev/null
        ${mini} run --rm --network shared --network w${w}-$i -p 80 starter ip -o -4 address show eth0
        ${mini} network rm w${w}-$i >/dev/null
      done`);
  const outputs = await Promise.all(Array.from({ length: 6 }, (_, w) => worker(w)));
  const addresses = outputs.join("").trim().split("\n").map((line) => /inet (10\.9\.0\.\d+)/.exec(line)?.[1]);
  assertEquals(addresses.length, 30);
  assertEquals(new Set(addresses).size, 30, "each its own, since none is given again at once");
  assertEquals(
    await ok("network", "ls", "-q", "-f", "type=custom"),
    (await ok("network", "inspect", "-f", "{{.Id}}", "shared")).slice(0, 12) + "\n",
  );
  await until("the kernel has taken the cables away", async () => !(await script("ip -br link")).includes("mv"));
  await ok("network", "rm", "shared");
  assertEquals(/element/.test(await script("nft list map ip mini ports_at")), false);
}, [needsProgram("nft")]);

networkTest("two hundred networks made at the same time have a subnet each, and all go again", async (c) => {
  const { ok, mini, script } = c, prefix = c.command.join(" ");
  await Promise.all(
    Array.from(
      { length: 4 },
      (_, w) => script(`for i in $(seq 50); do ${prefix} network create n${w}-$i >/dev/null; done`),
    ),
  );
  const ids = (await ok("network", "ls", "-q", "-f", "type=custom")).trim().split("\n");
  const subnets = (await ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", ...ids)).trim().split(
    "\n",
  );
  assertEquals([ids.length, new Set(subnets).size], [200, 200]);
  const before = await script("ip -br link");
  // One that is in use stays, of those that several remove at the same time.
  await ok("run", "-d", "--name", "user", "--network", "n0-1", "starter", "sleep", "1000");
  await Promise.all(
    [0, 1, 2, 3].map((w) =>
      mini(["network", "rm", ...Array.from({ length: 50 }, (_, i) => `n${w}-${i + 1}`)], { timeout: 60_000 })
    ),
  );
  assertEquals(await ok("network", "ls", "-f", "type=custom", "--format", "{{.Name}}"), "n0-1\n");
  await ok("rm", "-f", "user");
  await ok("network", "rm", "n0-1");
  assertEquals(await script("ip -br link"), before);
});

networkTest("of networks that overlap and are made at the same time one is made", async ({ mini, ok }) => {
  const subnets = ["10.20.0.0/16", "10.20.4.0/24", "10.16.0.0/12", "10.20.4.128/25", "10.0.0.0/8", "10.20.4.0/24"];
  const outputs = await Promise.all(
    subnets.map((subnet, i) => mini(["network", "create", "--subnet", subnet, `n${i}`], { timeout: 60_000 })),
  );
  assertEquals(outputs.filter(({ status }) => status === 0).length, 1);
  for (const output of outputs.filter(({ status }) => status !== 0)) assertRefused(output, 1, "overlaps");
  const names = (await ok("network", "ls", "-f", "type=custom", "--format", "{{.Name}}")).trim().split("\n");
  assertEquals(names.length, 1);
  await ok("network", "rm", ...names);
});

networkTest("networks that cannot be are refused in one sentence", async ({ mini, ok }) => {
  await ok("network", "create", "--subnet", "10.5.0.0/16", "there");
  const refused = async (args: readonly string[], ...words: string[]) =>
    assertRefused(await mini(["network", "create", ...args]), 1, ...words);
  await refused(["there"], "already");
  await refused(["host"], "meaning");
  await refused(["-x"], "-x");
  await refused(["a/b"], "name");
  await refused(["--subnet", "10.5.7.0/24", "x"], "10.5.0.0/16", "there");
  await refused(["--subnet", "192.0.2.0/25", "x"], "192.0.2.0/24");
  await refused(["--subnet", "10.6.0.0/33", "x"], "--subnet");
  await refused(["--subnet", "10.6.0.0/24", "--gateway", "10.7.0.1", "x"], "--gateway");
  await refused(["--subnet", "10.6.0.0/24", "--ip-range", "10.6.0.0/16", "x"], "--ip-range");
  await refused(["--subnet", "10.6.0.0/24", "--subnet", "10.7.0.0/24", "x"], "second");
  await refused(["-o", "nosuch=1", "x"], "nosuch");
  await refused(["-o", "mtu=1", "x"], "mtu");
  await refused(["-o", "com.docker.network.bridge.name=h0", "x"], "h0");
  await refused(["-o", "com.docker.network.bridge.name=much-too-long-a-name", "x"], "name of an interface");
  for (const driver of ["macvlan", "ipvlan"]) {
    await refused(["-d", driver, "x"], "parent");
    await refused(["-d", driver, "-o", "parent=nosuch", "x"], "nosuch");
    await refused(["-d", driver, "-o", "parent=h0", "-o", "mode=l4", "x"], "mode", "l4");
    await ok("network", "create", "-d", driver, "-o", "parent=h0", "--subnet", "10.8.0.0/24", driver);
  }
  const run = async (args: readonly string[], ...words: string[]) =>
    assertRefused(await mini(["run", "--rm", ...args, "starter", "true"]), 125, ...words);
  await run(["--network", "nosuch"], "nosuch");
  await run(["--network", "there", "--ip", "10.6.0.1"], "10.6.0.1");
  await run(["--network", "there", "--ip", "10.5.0.1"], "reserved");
  await run(["--network", "there", "--ip6", "fd00::1"], "IPv6");
  await run(["--ip", "172.17.0.9"], "network of your own");
  await run(["--network", "none", "--network", "there"], "none");
  await run(["--network", "there", "--ip", "10.5.0.0"], "10.5.0.0");
  await run(["--network", "there", "--ip", "10.5.255.255"], "10.5.255.255");
  await run(["--network", "macvlan", "-p", "80:80"], "bridge driver");
  await run(["--network", "macvlan", "--add-host", "me:host-gateway"], "host cannot be reached");
  await run(["--network", "ipvlan", "--mac-address", "02:00:00:00:00:07"], "--mac-address");
  await run(["-p", "[2001:db8::1]:80:80"], "IPv6");
  await run(["-p", "198.51.100.1:80:80"], "198.51.100.1");
  await run(["--network", "none", "-p", "80:80"], "--network none");
  await ok("run", "-d", "--name", "first", "--network", "there", "--ip", "10.5.0.9", "starter", "sleep", "1000");
  await run(["--network", "there", "--ip", "10.5.0.9"], "10.5.0.9", "taken by the container");
  await ok("rm", "-f", "first");
  await ok("network", "rm", "there", "macvlan", "ipvlan");
});

networkTest("without the right to change the network it says so, and what still works does", async (c) => {
  const { host, command, ok } = c;
  const without = (...args: string[]) =>
    host(["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", ...command, ...args]);
  const refused = await without("run", "--rm", "starter", "true");
  assertRefused(refused, 125, "CAP_NET_ADMIN", "--network host");
  assertEquals((await without("run", "--rm", "--network", "host", "starter", "echo", "works")).stdout, "works\n");
  assert((await ok("network", "ls")).includes("bridge"));
}, [needsProgram("setpriv")]);

networkTest("forwarding is switched on with a note, and only where something is to leave the host", async (c) => {
  const { ok, mini, script } = c;
  const forwarding = () => script("cat /proc/sys/net/ipv4/ip_forward");
  await script("echo 0 > /proc/sys/net/ipv4/ip_forward");
  await ok("network", "create", "--internal", "dark");
  await ok("run", "--rm", "--network", "dark", "starter", "true");
  assertEquals(await forwarding(), "0\n");
  assertMatch(
    (await mini(["run", "--rm", "starter", "true"])).stderr,
    /^mini: note: IPv4 forwarding \(net\.ipv4\.ip_forward\) is on now[^\n]*\n$/,
  );
  assertEquals(await forwarding(), "1\n");
  assertEquals((await mini(["run", "--rm", "starter", "true"])).stderr, "");
  // Somebody else has switched it off since: the next container that needs it, or `system check`, switches it on.
  for (const command of [["run", "--rm", "starter", "true"], ["system", "check"]]) {
    await script("echo 0 > /proc/sys/net/ipv4/ip_forward");
    assertStringIncludes((await mini(command)).stderr, "IPv4 forwarding (net.ipv4.ip_forward) is on now");
    assertEquals(await forwarding(), "1\n");
  }
  await ok("network", "rm", "dark");
});
