/** The network of an ordinary user's containers: pasta, slirp4netns, or a word that there is none. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertRefused, needsProgram } from "./harness.ts";
import { userTest } from "./rootless_harness.ts";

const needs = ["pasta", "slirp4netns", "ip", "busybox", "ps"].map(needsProgram);
const helpers = {
  pasta: { without: "", resolver: "169.254.1.1" },
  slirp4netns: { without: "mount --bind /dev/null $(readlink -f $(command -v pasta))", resolver: "10.0.2.3" },
};
const NEITHER = `${helpers.slirp4netns.without}; mount --bind /dev/null $(command -v slirp4netns)`;

for (const [helper, { without, resolver }] of Object.entries(helpers)) {
  const options = { network: true, prepare: without };

  userTest(`${helper}: published ports lead in, connections lead out, names are asked of it`, async ({ script }) => {
    const { status, stdout, stderr } = await script(
      `
      mkdir www; echo from the container > www/index.html
      $mini run -d --name web -p 8080:80 -p 127.0.0.1:8090:53/udp -v $HOME/www:/www starter httpd -f -p 80 -h /www > /dev/null
      $mini exec web cat /etc/resolv.conf
      busybox wget -qO- http://127.0.0.1:8080/
      $mini port web 80/tcp; $mini ps --format '{{.Ports}}'
      mkdir other; echo from the host > other/index.html
      busybox httpd -f -p 198.51.100.1:9000 -h other & server=$!
      until $mini exec web wget -qO- http://198.51.100.1:9000/ 2>/dev/null; do sleep 0.1; done
      kill $server
      # The same port again at once, although connections of the last time linger.
      $mini restart -t 0 web
      busybox wget -qO- http://127.0.0.1:8080/
      ! $mini run --rm -p 8080:80 starter true
      $mini rm -f web`,
      options,
    );
    assertEquals(status, 0, stderr);
    assertEquals(
      stdout,
      `nameserver ${resolver}\nfrom the container\n127.0.0.1:8080\n127.0.0.1:8090->53/udp, 127.0.0.1:8080->80/tcp\n` +
        "from the host\nweb\nfrom the container\nweb\n",
    );
    assertMatch(stderr, /mini: the port 127\.0\.0\.1:8080\/tcp is taken by the container/);
  }, needs);

  userTest(`${helper}: it ends with its container, whoever is killed`, async ({ script }) => {
    const { status, stdout, stderr } = await script(
      `
      running() { ps -U "$(id -u)" -o stat=,comm= | grep -v '^Z' | grep -cE 'passt|pasta|slirp|mini-network' || true; }
      $mini run --rm -d --name one starter sleep 1000 > /dev/null
      $mini run --name two starter sleep 1000 & foreground=$!
      until [ "$(running)" = 4 ]; do sleep 0.05; done
      $mini kill one
      kill -9 $foreground; wait $foreground 2>/dev/null || true
      until [ "$(running)" = 0 ]; do sleep 0.05; done
      $mini rm -f two
      # One whose keeper is killed: whoever clears up ends it.
      $mini run -d --name three starter sleep 1000 > /dev/null
      kill -9 $(ps -U "$(id -u)" -o pid=,comm= | awk '$2 == "mini-network" {print $1}')
      $mini rm -f three
      until [ "$(running)" = 0 ]; do sleep 0.05; done`,
      options,
    );
    assertEquals([status, stdout], [0, "one\ntwo\nthree\n"], stderr);
  }, needs);
}

userTest("without pasta and slirp4netns there is a note, the loopback, and no published port", async ({ mini }) => {
  const options = { network: true, prepare: NEITHER };
  const { status, stdout, stderr } = await mini(["run", "--rm", "starter", "ls", "/sys/class/net"], options);
  assertEquals([status, stdout], [0, "lo\n"], stderr);
  assertMatch(stderr, /^mini: note: [^\n]*loopback[^\n]*passt[^\n]*\n$/);
  assertRefused(await mini(["run", "--rm", "-p", "8080:80", "starter", "true"], options), 125, "published", "passt");
}, needs);

userTest("without a /dev/net/tun that a user may open, the note says how to mend it", async ({ mini }) => {
  const options = { network: true, prepare: "chmod 600 $folder/tun" };
  const { status, stderr } = await mini(["run", "--rm", "starter", "true"], options);
  assertEquals(status, 0, stderr);
  assertStringIncludes(stderr, "chmod 666 /dev/net/tun");
}, needs);

userTest("the host's network, and none; ports that only root may take", async ({ mini }) => {
  const options = { network: true };
  const show = ["starter", "sh", "-c", "sed -n 's/:.*//p' /proc/net/dev"];
  const host = await mini(["run", "--rm", "--network", "host", ...show], options);
  assertEquals(host.stdout.split("\n").map((line) => line.trim()).sort(), ["", "lo", "up0", "up1"], host.stderr);
  assertEquals((await mini(["run", "--rm", "--network", "none", ...show], options)).stdout.trim(), "lo");
  assertRefused(
    await mini(["run", "--rm", "-p", "80:80", "starter", "true"], options),
    125,
    "1024",
    "net.ipv4.ip_unprivileged_port_start",
  );
}, needs);
