/** A real server, Debian's nginx, behind published ports. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { needsProgram, until } from "./harness.ts";
import { HOST, type NetworkContext, networkTest, OUTSIDE } from "./network_lab.ts";
import { NGINX, NGINX_CHANGES, nginxLayer } from "./nginx_image.ts";

const needs = ["mmdebstrap", "tar", "ab", "busybox"].map(needsProgram);

const hex = (bytes: ArrayBuffer) =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Bytes that no two places have in common. */
function noise(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, length)));
  return bytes;
}

/** Makes the image, starts nginx, and waits until it serves. @returns the checksums of what it serves. */
async function startNginx(c: NetworkContext): Promise<{ big: string; slow: string }> {
  const big = noise(48 * 2 ** 20), slow = noise(2 ** 20);
  const files = { "index.html": new TextEncoder().encode("nginx of Debian\n"), "big.bin": big, "slow.bin": slow };
  const changes = NGINX_CHANGES.flatMap((change) => ["-c", change]);
  await c.ok("import", ...changes, await nginxLayer(c.folder, files), NGINX);
  await c.ok("network", "create", "--ipv6", "six");
  const ports = ["-p", "0.0.0.0:8080:80", "-p", "[::]:8080:80", "-p", "8081:80"];
  await c.ok("run", "-d", "--name", "web", "--network", "six", ...ports, NGINX);
  await serves(c);
  const sum = async (bytes: Uint8Array<ArrayBuffer>) => hex(await crypto.subtle.digest("SHA-256", bytes));
  return { big: await sum(big), slow: await sum(slow) };
}

const serves = ({ host }: NetworkContext) =>
  until("nginx serves", async () => (await host(wget("http://127.0.0.1:8081/"))).stdout === "nginx of Debian\n");

const wget = (url: string) => ["busybox", "wget", "-qO-", url];

networkTest(
  "Debian's nginx serves what is published: to many at once, large files, IPv6, with its clients' own addresses",
  async (c) => {
    const { ok, host, outside, script } = c, { big } = await startNginx(c);
    assertEquals(
      await ok("port", "web"),
      "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n80/tcp -> 127.0.0.1:8081\n",
    );
    assertEquals(await ok("port", "web", "80"), "0.0.0.0:8080\n[::]:8080\n127.0.0.1:8081\n");

    for (const url of [`http://${HOST.ip}:8080/big.bin`, `http://[${HOST.ip6}]:8080/big.bin`]) {
      const { status, stdout, stderr } = await outside(["sh", "-c", `busybox wget -qO- '${url}' | sha256sum`]);
      assertEquals([status, stdout, stderr], [0, `${big}  -\n`, ""], url);
    }
    assertStringIncludes(await script("busybox wget -qO- http://127.0.0.1:8081/big.bin | sha256sum"), big);
    // The server's log names who asked: outside its own address, at loopback the network's gateway.
    const gateway = (await ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "six")).trim();
    const log = await until("all is logged", async () => {
      const lines = (await ok("logs", "web")).split("\n").filter((line) => line.includes("/big.bin"));
      return lines.length === 3 && lines;
    });
    assertEquals(
      log.map((line) => line.split(" ")[0]).sort(),
      [OUTSIDE.ip, OUTSIDE.ip6, gateway].sort(),
    );

    // One connection for all requests, then two hundred at the same time, at each address.
    for (
      const [run, url] of [
        [host, "http://127.0.0.1:8081/"],
        [outside, `http://${HOST.ip}:8080/`],
        [outside, `http://[${HOST.ip6}]:8080/`],
      ] as const
    ) {
      const one = await run(["ab", "-q", "-k", "-c", "1", "-n", "200", url], { timeout: 60_000 });
      assertMatch(one.stdout, /^Failed requests: +0$/m, one.stderr);
      assertMatch(one.stdout, /^Keep-Alive requests: +200$/m);
      for (const keep of [[], ["-k"]]) {
        const many = await run(["ab", "-q", ...keep, "-c", "200", "-n", "2000", url], { timeout: 120_000 });
        assertMatch(many.stdout, /^Complete requests: +2000\nFailed requests: +0$/m, many.stderr);
        assert(!many.stdout.includes("Non-2xx"), many.stdout);
      }
    }
    await ok("rm", "-f", "web");
    await ok("network", "rm", "six");
  },
  needs,
);

networkTest(
  "Debian's nginx is stopped by its image's signal and finishes what it began, and has its ports again",
  async (c) => {
    const { ok, host } = c, { slow } = await startNginx(c), file = `${c.folder}/slow.bin`;
    Deno.writeTextFileSync(file, "");
    const download = host(["sh", "-c", `busybox wget -qO- http://127.0.0.1:8081/slow.bin > ${file}`]);
    await until("it has begun", () => Deno.statSync(file).size > 0);
    await ok("stop", "-t", "60", "web");
    assertEquals((await download).status, 0);
    assertEquals((await host(["sha256sum", file])).stdout, `${slow}  ${file}\n`);
    assertEquals(await ok("inspect", "-f", "{{.State.ExitCode}}", "web"), "0\n");
    assertStringIncludes((await c.mini(["logs", "web"])).stderr, "signal 3 (SIGQUIT) received");
    assert((await host(wget("http://127.0.0.1:8081/"))).status !== 0, "what was stopped is published no longer");

    const before = "0.0.0.0:8080\n[::]:8080\n127.0.0.1:8081\n";
    await ok("start", "web");
    assertEquals(await ok("port", "web", "80/tcp"), before);
    await serves(c);
    await ok("restart", "web");
    assertEquals(await ok("port", "web", "80/tcp"), before);
    await serves(c);
    assertEquals((await c.outside(wget(`http://[${HOST.ip6}]:8080/`))).stdout, "nginx of Debian\n");
    await ok("rm", "-f", "web");
    await ok("network", "rm", "six");
  },
  needs,
);
