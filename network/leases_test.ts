import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { formatIp, parseIp } from "./address.ts";
import { freeAddress, leaseAddress, leasesOf, sweepLeases } from "./leases.ts";
import { freePort, leasePorts, portLeases, type PortRequest, sweepPorts } from "./port_leases.ts";
import { type Network, NetworkStore, NoSuchNetwork } from "./store.ts";

const network = (more: Partial<Network> = {}): Network => ({
  version: 1,
  id: "a1".repeat(32),
  name: "lan",
  driver: "bridge",
  created: "2026-01-01T00:00:00Z",
  internal: false,
  ipv6: false,
  subnets: [{ subnet: "10.9.0.0/29", gateway: "10.9.0.1" }],
  labels: {},
  options: {},
  bridge: "mini-a1",
  masquerade: true,
  ...more,
});

function withStore(body: (store: NetworkStore) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    body(new NetworkStore(`${folder}/root`, `${folder}/state`));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const everybody = (_id: string) => true;
const lease = (store: NetworkStore, holder: string, wanted?: string, isAlive = everybody, of = network()) =>
  formatIp(
    leaseAddress(store, of, of.subnets[0]!, holder, isAlive, wanted === undefined ? undefined : parseIp(wanted)),
  );

Deno.test("addresses are given out in order, and one that was freed comes last", () =>
  withStore((store) => {
    assertEquals([lease(store, "a"), lease(store, "b")], ["10.9.0.2", "10.9.0.3"]);
    freeAddress(store, network().id, "10.9.0.2", "a");
    assertEquals(["c", "d", "e", "f"].map((id) => lease(store, id)), ["10.9.0.4", "10.9.0.5", "10.9.0.6", "10.9.0.2"]);
    assertThrows(() => lease(store, "g"), MiniError, "every address of 10.9.0.0/29");
    assertEquals(leasesOf(store, network().id).length, 5);
  }));

Deno.test("an address is given back by its owner only", () =>
  withStore((store) => {
    lease(store, "a");
    freeAddress(store, network().id, "10.9.0.2", "b");
    assertEquals(leasesOf(store, network().id), [{ address: "10.9.0.2", holder: "a" }]);
    freeAddress(store, network().id, "10.9.0.2", "a");
    freeAddress(store, network().id, "10.9.0.2", "a");
    assertEquals(leasesOf(store, network().id), []);
  }));

Deno.test("what a container had that is gone is given out again, when all is taken or when it is asked for", () =>
  withStore((store) => {
    for (const id of ["a", "b", "c", "d", "e"]) lease(store, id);
    assertEquals(lease(store, "f", undefined, (id) => id !== "c"), "10.9.0.4");
    assertEquals(lease(store, "g", "10.9.0.2", (id) => id !== "a"), "10.9.0.2");
    assertEquals(sweepLeases(store, network().id, (id) => id === "f").toSorted(), [
      "10.9.0.2",
      "10.9.0.3",
      "10.9.0.5",
      "10.9.0.6",
    ]);
  }));

Deno.test("a wanted address is had, or it is said why not", () =>
  withStore((store) => {
    assertEquals(lease(store, "a", "10.9.0.5"), "10.9.0.5");
    assertThrows(
      () => lease(store, "b", "10.9.0.5"),
      MiniError,
      "10.9.0.5 in the network lan is taken by the container a",
    );
    assertThrows(() => lease(store, "b", "10.9.0.1"), MiniError, "reserved");
    for (const wrong of ["10.9.0.0", "10.9.0.7", "10.8.0.2", "fd00::1"]) {
      assertThrows(() => lease(store, "b", wrong), MiniError, "10.9.0.0/29");
    }
  }));

Deno.test("a range and reserved addresses are kept, in IPv6 too", () =>
  withStore((store) => {
    const ranged = network({
      subnets: [{
        subnet: "10.9.0.0/16",
        gateway: "10.9.4.0",
        ipRange: "10.9.4.0/30",
        auxAddresses: { router: "10.9.4.2" },
      }],
    });
    assertEquals(lease(store, "a", undefined, everybody, ranged), "10.9.4.1");
    assertEquals(lease(store, "b", undefined, everybody, ranged), "10.9.4.3");
    assertThrows(() => lease(store, "c", undefined, everybody, ranged), MiniError, "10.9.4.0/30");
    const six = network({ id: "b2".repeat(32), subnets: [{ subnet: "fd00:9::/64", gateway: "fd00:9::1" }] });
    assertEquals([lease(store, "a", undefined, everybody, six), lease(store, "b", undefined, everybody, six)], [
      "fd00:9::2",
      "fd00:9::3",
    ]);
  }));

const loopback = parseIp("127.0.0.1")!, any = parseIp("0.0.0.0")!;
const request = (containerPort: number, hostPorts?: [number, number], hostIps = [loopback]): PortRequest => ({
  protocol: "tcp",
  hostIps,
  hostPorts,
  containerPort,
  containerIp: () => "10.9.0.2",
});

/** A port that nothing uses at this moment. */
function freeHostPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

Deno.test("a port is one container's, at an address and at all of them", () =>
  withStore((store) => {
    const port = freeHostPort();
    const [got] = leasePorts(store, [request(80, [port, port])], "a", everybody);
    assertEquals(got, { protocol: "tcp", hostIp: "127.0.0.1", hostPort: port, containerPort: 80 });
    for (const ip of [loopback, any]) {
      assertThrows(
        () => leasePorts(store, [request(81, [port, port], [ip])], "b", everybody),
        MiniError,
        "the container a",
      );
    }
    const udp = leasePorts(store, [{ ...request(80, [port, port]), protocol: "udp" }], "b", everybody);
    assertEquals(udp[0]!.hostPort, port);
    assertEquals(leasePorts(store, [request(81, [port, port])], "b", (id) => id !== "a").length, 1);
    assertEquals(portLeases(store).find(({ protocol }) => protocol === "tcp")?.holder, "b");
    freePort(store, got!, "a");
    assertEquals(portLeases(store).length, 2, "it is not a's any more");
    assertEquals(sweepPorts(store, () => false).length, 2);
    assertEquals(portLeases(store), []);
  }));

Deno.test("a port that a program of the host listens at is not given out, and nothing else is then", () =>
  withStore((store) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    try {
      const { port } = listener.addr, free = freeHostPort();
      const refused = () => leasePorts(store, [request(80, [free, free]), request(81, [port, port])], "a", everybody);
      assertThrows(refused, MiniError, "a program of this host");
      assertEquals(portLeases(store), []);
    } finally {
      listener.close();
    }
  }));

Deno.test("any port is one that nobody has; a range gives the first that is free", () =>
  withStore((store) => {
    const got = leasePorts(store, Array.from({ length: 50 }, (_, i) => request(i + 1)), "a", everybody);
    assertEquals(new Set(got.map(({ hostPort }) => hostPort)).size, 50);
    const first = got[0]!.hostPort;
    const second = leasePorts(store, [request(80, [first, first + 200])], "b", everybody)[0]!.hostPort;
    assert(second > first && !got.some(({ hostPort }) => hostPort === second));
    assertThrows(() => leasePorts(store, [request(80, [first, first])], "b", everybody), MiniError, "is taken");
  }));

Deno.test("an address that is not the host's is refused", () =>
  withStore((store) => {
    const refused = () => leasePorts(store, [request(80, [4711, 4711], [parseIp("192.0.2.1")!])], "a", everybody);
    assertThrows(refused, MiniError, "no address of this host");
  }));

Deno.test("networks are found by name, id, and the beginning of an id", () =>
  withStore((store) => {
    store.locked(true, () => store.write(network()));
    store.locked(true, () => store.write(network({ name: "wan", id: "a2".repeat(32) })));
    assertEquals([store.get("lan").name, store.get("a1".repeat(32)).name, store.get("a2a").name], [
      "lan",
      "lan",
      "wan",
    ]);
    assertThrows(() => store.get("a"), MiniError, "the beginning of 2 networks");
    for (const text of ["nosuch", "../lan", "", "./lan"]) assertThrows(() => store.get(text), NoSuchNetwork);
    store.remove(network());
    assertEquals(store.list().map(({ name }) => name), ["wan"]);
    Deno.writeTextFileSync(`${store.root}/networks/bad.json`, "{");
    assertThrows(() => store.get("bad"), MiniError, "damaged");
  }));
