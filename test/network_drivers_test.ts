/** Drivers and protocols that not every kernel has; where this one lacks them, the test machine's has them. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { resolve } from "@std/path";
import { AF_INET, SOCK_STREAM } from "../ffi/constants.ts";
import { close, trySyscall } from "../ffi/kernel.ts";
import { assertRefused, type Need, until } from "./harness.ts";
import {
  addressOf,
  fromOutside,
  HOST,
  type NetworkContext,
  networkTest,
  OUTSIDE,
  serve,
  SERVER,
} from "./network_lab.ts";

/** Whether the kernel makes interfaces of that kind: asked in a network namespace of its own. */
function needsLink(kind: string): Need {
  const script = `ip link add p0 type veth peer name p1 && ip link add link p0 name x0 type ${kind}`;
  try {
    const { success } = new Deno.Command("unshare", { args: ["--net", "--", "sh", "-c", script], stderr: "null" })
      .outputSync();
    return success ? undefined : `this kernel has no ${kind}`;
  } catch (error) {
    return `unshare: ${(error as Error).message}`;
  }
}

const IPPROTO_SCTP = 132;
function hasSctp(): boolean {
  const fd = trySyscall("socket", AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

networkTest("a macvlan container is a machine of the local network", async (c) => {
  const { ok, script } = c;
  await ok(
    "network",
    "create",
    "-d",
    "macvlan",
    "-o",
    "parent=h0",
    "--subnet",
    "192.0.2.0/24",
    "--gateway",
    "192.0.2.2",
    "--ip-range",
    "192.0.2.128/25",
    "lan",
  );
  await serve(c, "box", "--network", "lan", "--mac-address", "02:00:00:00:00:07");
  assertMatch(await ok("exec", "box", "ip", "link", "show", "eth0"), /02:00:00:00:00:07/);
  const address = await addressOf(c, "box", "lan");
  assertEquals(address, "192.0.2.128");
  assertEquals(await fromOutside(c)(`http://${address}/cgi-bin/who`), OUTSIDE.ip);
  await ok("rm", "-f", "box");
  await ok("network", "rm", "lan");
  assertEquals(
    (await script("ip -br link | cut -d' ' -f1")).split("\n").filter((name) => !/^(lo|h0@.*|)$/.test(name)),
    [],
  );
}, [needsLink("macvlan")]);

for (const mode of ["l2", "l3"]) {
  networkTest(`ipvlan containers in mode ${mode} have their parent's hardware address`, async (c) => {
    const { ok, script } = c, l3 = mode === "l3", address = l3 ? "10.50.0.128" : "192.0.2.128";
    const subnet = l3 ? ["--subnet", "10.50.0.0/24"] : ["--subnet", "192.0.2.0/24", "--gateway", OUTSIDE.ip];
    const range = ["--ip-range", `${address}/25`];
    await ok("network", "create", "-d", "ipvlan", "-o", "parent=h0", "-o", `mode=${mode}`, ...subnet, ...range, "lan");
    await ok("run", "-d", "--name", "box", "--network", "lan", "starter", ...SERVER("box"));
    // In the third layer the parent routes: others have to be told who does.
    if (l3) await c.outside(["ip", "route", "add", "10.50.0.0/24", "via", HOST.ip]);
    const who = `http://${address}/cgi-bin/who`;
    await until("it serves", async () => await fromOutside(c)(who) === OUTSIDE.ip);
    const look = `wget -qO- ${who}; ip -o link show eth0; ip route; ping -c 1 -W 5 ${OUTSIDE.ip}`;
    const inside = await ok("run", "--rm", "--network", "lan", "starter", "sh", "-c", look);
    assertStringIncludes(inside, `::ffff:${address.replace(/8$/, "9")}]`);
    assertStringIncludes(inside, /link\/ether (\S+)/.exec(await script("ip link show h0"))![1]!);
    assertMatch(inside, l3 ? /^default dev eth0/m : new RegExp(`^default via ${OUTSIDE.ip} dev eth0`, "m"));
    assertMatch(inside, /1 packets received/);
    await ok("rm", "-f", "box");
    await ok("network", "rm", "lan");
  }, [needsLink("ipvlan")]);
}

networkTest("where the kernel has no ipvlan, its networks are refused", async ({ mini, ok }) => {
  await ok("network", "create", "-d", "ipvlan", "-o", "parent=h0", "--subnet", "10.8.0.0/24", "lan");
  assertRefused(await mini(["run", "--rm", "--network", "lan", "starter", "true"]), 125, "no such interfaces");
  await ok("network", "rm", "lan");
}, [needsLink("ipvlan") ? undefined : "this kernel has ipvlan"]);

/** Starts test/sctp_peer.ts in a network namespace as a server that sends everything back. */
async function echoSctp({ ok }: NetworkContext, name: string, port: number): Promise<AsyncDisposable> {
  const pid = (await ok("inspect", "-f", "{{.State.Pid}}", name)).trim();
  const child = new Deno.Command("nsenter", {
    args: [`--net=/proc/${pid}/ns/net`, "--", ...peer("serve", "0.0.0.0", String(port))],
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
const peer = (...args: string[]) => [
  Deno.execPath(),
  ...["run", "-A", "--no-check", "--quiet", resolve(import.meta.dirname!, "sctp_peer.ts")],
  ...args,
];

networkTest("a port of SCTP is published as others are", async (c) => {
  const { ok, mini } = c;
  await ok(
    "run",
    "-d",
    "--name",
    "sig",
    "-p",
    "0.0.0.0:2905:2905/sctp",
    "-p",
    "2906:2905/sctp",
    "starter",
    "sleep",
    "1000",
  );
  assertEquals(await ok("port", "sig"), "2905/sctp -> 0.0.0.0:2905\n2905/sctp -> 127.0.0.1:2906\n");
  await using _ = await echoSctp(c, "sig", 2905);
  const ask = async (run: NetworkContext["host"], address: string, port: number) =>
    (await run(peer("ask", address, String(port)), { timeout: 30_000 })).stdout;
  // The server says who asked it.
  assertEquals(await ask(c.outside, HOST.ip, 2905), `hello ${OUTSIDE.ip}`);
  assertEquals(await ask(c.host, "127.0.0.1", 2906), "hello 172.17.0.1");
  assertEquals(await ask(c.outside, HOST.ip, 2906), "");
  assertRefused(await mini(["run", "--rm", "-p", "2905:1/sctp", "starter", "true"]), 125, "2905/sctp", "taken");
  await ok("rm", "-f", "sig");
}, [hasSctp() ? undefined : "this kernel has no SCTP"]);

networkTest("where the kernel has no SCTP, its ports are refused", async ({ mini }) => {
  assertRefused(await mini(["run", "--rm", "-p", "80:80/sctp", "starter", "true"]), 125, "no SCTP");
}, [hasSctp() ? "this kernel has SCTP" : undefined]);
