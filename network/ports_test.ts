import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { describePorts, type PublishedPort, readExposed, readPublish } from "./ports.ts";

Deno.test("a published port is written in all of Docker's ways", () => {
  const tcp = { protocol: "tcp", containerPort: 80 } as const;
  assertEquals(readPublish("80"), [tcp]);
  assertEquals(readPublish("8080:80"), [{ ...tcp, hostPorts: [8080, 8080] }]);
  assertEquals(readPublish("0:80"), [tcp]);
  assertEquals(readPublish("8080:80/UDP"), [{ ...tcp, protocol: "udp", hostPorts: [8080, 8080] }]);
  assertEquals(readPublish("127.0.0.1:8080:80"), [{ ...tcp, hostIp: "127.0.0.1", hostPorts: [8080, 8080] }]);
  assertEquals(readPublish("127.0.0.1::80"), [{ ...tcp, hostIp: "127.0.0.1" }]);
  assertEquals(readPublish("127.0.0.1:80"), [{ ...tcp, hostIp: "127.0.0.1" }]);
  assertEquals(readPublish("[::]:8080:80"), [{ ...tcp, hostIp: "::", hostPorts: [8080, 8080] }]);
  assertEquals(readPublish("[fd00::1]::80"), [{ ...tcp, hostIp: "fd00::1" }]);
});

Deno.test("ranges go port by port; one container port takes the first that is free", () => {
  assertEquals(readPublish("9000-9001:80-81/sctp"), [
    { protocol: "sctp", containerPort: 80, hostPorts: [9000, 9000] },
    { protocol: "sctp", containerPort: 81, hostPorts: [9001, 9001] },
  ]);
  assertEquals(readPublish("9000-9005:80"), [{ protocol: "tcp", containerPort: 80, hostPorts: [9000, 9005] }]);
  assertEquals(readPublish("7000-7002").length, 3);
});

Deno.test("what is no port is refused with the flag's name", () => {
  for (
    const text of [
      "",
      ":80",
      "a:80",
      "80:",
      "80:0",
      "65536:80",
      "80:70000",
      "9-8:80",
      "90-92:80-81",
      "80/icmp",
      "::1:80:80",
      "1.2.3:80:80",
      "[::1]:8080:80",
      "[::1:80:80",
      "-1:80",
      "80-:80",
      "1.2.3.4:5:6:7",
    ]
  ) {
    assertThrows(() => readPublish(text), MiniError, "--publish", text);
  }
  assertThrows(() => readExposed("80:80"), MiniError, "--expose");
});

Deno.test("ps shows what is reachable from where, neighbours as ranges", () => {
  const port = (hostIp: string, hostPort: number, containerPort: number): PublishedPort => ({
    protocol: "tcp",
    hostIp,
    hostPort,
    containerPort,
  });
  assertEquals(describePorts([port("127.0.0.1", 8080, 80)], ["80/tcp", "443/tcp"]), "127.0.0.1:8080->80/tcp, 443/tcp");
  assertEquals(
    describePorts([port("::1", 9000, 80), port("0.0.0.0", 9001, 81), port("0.0.0.0", 9000, 80)]),
    "0.0.0.0:9000-9001->80-81/tcp, [::1]:9000->80/tcp",
  );
});
