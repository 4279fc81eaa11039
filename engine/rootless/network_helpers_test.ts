import { assert, assertEquals } from "@std/assert";
import type { PublishedPort } from "../../network/ports.ts";
import { HELPERS } from "./network_helpers.ts";
import { NAMESPACE } from "./network_program.ts";

const PORTS: PublishedPort[] = [
  { protocol: "tcp", hostIp: "0.0.0.0", hostPort: 8080, containerPort: 80 },
  { protocol: "udp", hostIp: "127.0.0.1", hostPort: 5353, containerPort: 53 },
];
const [pasta, slirp] = HELPERS;

/** What follows a flag, each time that it is there. */
const after = (words: readonly string[], flag: string) =>
  words.flatMap((word, i) => word === flag ? [words[i + 1]!] : []);

Deno.test("pasta forwards the ports that are published, and nothing that was not asked for", () => {
  const words = pasta!.arguments(PORTS);
  assertEquals(after(words, "-t"), ["0.0.0.0/8080:80"]);
  assertEquals(after(words, "-u"), ["127.0.0.1/5353:53"]);
  for (const flag of ["-t", "-u", "-T", "-U"]) assertEquals(after(pasta!.arguments([]), flag), ["none"]);
});

Deno.test("the host's own loopback is reached through neither, and both get the namespace", () => {
  assert(pasta!.arguments([]).includes("--no-map-gw"));
  assert(slirp!.arguments([]).includes("--disable-host-loopback"));
  for (const helper of HELPERS) assert(helper.arguments(PORTS).includes(NAMESPACE));
});

Deno.test("slirp4netns opens a socket for commands only where ports are published", () => {
  const has = (ports: readonly PublishedPort[]) =>
    slirp!.arguments(ports).some((word) => word.startsWith("--api-socket"));
  assertEquals([has([]), has(PORTS)], [false, true]);
});
