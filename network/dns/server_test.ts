import { assert, assertEquals, assertThrows } from "@std/assert";
import { O_NONBLOCK, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_STREAM } from "../../ffi/constants.ts";
import { close, syscall } from "../../ffi/kernel.ts";
import { readable } from "../../ffi/reactor.ts";
import { addressBytes, answer, NOERROR, readQuery, REFUSED, SERVFAIL, withId } from "./message.ts";
import { readMessage, writeMessage } from "./forward.ts";
import { portOf, ResolverServer, type ResolverSockets } from "./server.ts";
import { connectedSocket, receiveFrom, sendTo, socketAddress } from "./socket.ts";
import { hostUpstreams, nameservers, reachableConfiguration, searchDomains } from "./upstreams.ts";

function query(name: string): Uint8Array<ArrayBuffer> {
  const labels = name.split(".").flatMap((l) => [l.length, ...new TextEncoder().encode(l)]);
  return new Uint8Array([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}

/** Sockets on the loopback address of this machine. */
function sockets(): ResolverSockets & { port: number } {
  const listener = syscall("socket", 2, SOCK_STREAM | SOCK_CLOEXEC | O_NONBLOCK, 0);
  syscall("bind", listener, socketAddress("127.0.0.1", 0), 16);
  syscall("listen", listener, 8);
  const port = portOf(listener);
  const datagrams = syscall("socket", 2, SOCK_DGRAM | SOCK_CLOEXEC | O_NONBLOCK, 0);
  syscall("bind", datagrams, socketAddress("127.0.0.1", port), 16);
  return { listener, datagrams, port };
}

const names = { addresses: (name: string) => name === "web" ? ["10.9.8.7"] : undefined, name: () => undefined };

/** Asks over UDP; undefined if there is no answer in time. */
async function ask(port: number, message: Uint8Array): Promise<Uint8Array | undefined> {
  const fd = connectedSocket("127.0.0.1", port);
  try {
    syscall("sendto", fd, message, message.length, 0, null, 0);
    if (!await readable(fd, AbortSignal.timeout(5000))) return undefined;
    return receiveFrom(fd)?.bytes;
  } finally {
    close(fd);
  }
}

// The thread that waits for all descriptors comes back a moment after nobody waits any more.
const sanitizeOps = false;

Deno.test(
  "names of containers are answered, others by whoever is asked next, over UDP and TCP",
  { sanitizeOps },
  async () => {
    // The one that is asked first does not listen; the second gives a long answer that UDP has no room for.
    const upstream = sockets(), dead = sockets();
    close(dead.listener);
    close(dead.datagrams);
    const stop = new AbortController();
    const many = Array.from({ length: 60 }, (_, i) => addressBytes(`192.0.2.${i}`));
    const answering = (async () => {
      while (await readable(upstream.datagrams, stop.signal)) {
        const { bytes, from } = receiveFrom(upstream.datagrams)!;
        sendTo(upstream.datagrams, answer(readQuery(bytes)!, NOERROR, many, 65535), from);
      }
    })();
    const own = sockets();
    const server = new ResolverServer(own, names, () => [`127.0.0.1#${dead.port}`, `127.0.0.1#${upstream.port}`]);
    try {
      assertEquals([...(await ask(own.port, query("web")))!.subarray(-4)], [10, 9, 8, 7]);
      const cut = (await ask(own.port, query("example.com")))!;
      assert(cut.length <= 512 && cut[2]! & 2, "it says that it was cut");
      assertEquals([cut[0], cut[1]], [0x12, 0x34]);
      assertEquals((await ask(own.port, query("nobody")))![3]! & 15, 3);
      using connection = await Deno.connect({ hostname: "127.0.0.1", port: own.port });
      for (let i = 0; i < 3; i++) {
        await writeMessage(connection, query("web"));
        assertEquals([...(await readMessage(connection))!.subarray(-4)], [10, 9, 8, 7]);
      }
      const all = await Promise.all(Array.from({ length: 200 }, () => ask(own.port, query("web"))));
      assert(all.every((message) => message?.at(-1) === 7));
    } finally {
      stop.abort();
      await answering;
      await server.close();
      close(upstream.datagrams);
      close(upstream.listener);
    }
  },
);

/** A resolver that gives every question that answer, and counts them. */
function upstream(code: number, records: Uint8Array[]) {
  const { listener, datagrams, port } = sockets(), stop = new AbortController();
  let count = 0;
  const answering = (async () => {
    while (await readable(datagrams, stop.signal)) {
      const { bytes, from } = receiveFrom(datagrams)!;
      count++;
      sendTo(datagrams, answer(readQuery(bytes)!, code, records, 65535), from);
    }
  })();
  return {
    place: `127.0.0.1#${port}`,
    count: () => count,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await answering;
      close(datagrams);
      close(listener);
    },
  };
}

Deno.test("one that refuses is no answer while another has one, and else is the answer", { sanitizeOps }, async () => {
  await using refuses = upstream(REFUSED, []);
  await using fails = upstream(SERVFAIL, []);
  await using knows = upstream(NOERROR, [addressBytes("192.0.2.7")]);
  const own = sockets(), all = [refuses.place, fails.place, knows.place];
  const server = new ResolverServer(own, names, () => all);
  assertEquals((await ask(own.port, query("example.com")))!.at(-1), 7);
  all.pop();
  assertEquals((await ask(own.port, query("example.com")))![3]! & 15, REFUSED);
  await server.close();
});

Deno.test("one that is silent is waited for once, and then asked last", { sanitizeOps }, async () => {
  // It takes datagrams and says nothing.
  const silent = sockets();
  await using knows = upstream(NOERROR, [addressBytes("192.0.2.7")]);
  const own = sockets(), server = new ResolverServer(own, names, () => [`127.0.0.1#${silent.port}`, knows.place]);
  for (let i = 0; i < 20; i++) assertEquals((await ask(own.port, query("example.com")))!.at(-1), 7);
  assertEquals(knows.count(), 20);
  let asked = 0;
  while (receiveFrom(silent.datagrams)) asked++;
  assertEquals(asked, 1);
  await server.close();
  close(silent.datagrams);
  close(silent.listener);
});

Deno.test("an answer that is too long for a datagram comes whole over TCP", { sanitizeOps }, async () => {
  const many = Array.from({ length: 100 }, (_, i) => `192.0.2.${i}`), theirs = sockets(), dead = sockets();
  close(dead.listener);
  close(dead.datagrams);
  const upstream = new ResolverServer(theirs, { addresses: () => many, name: () => undefined }, () => []);
  const own = sockets(), all = [`127.0.0.1#${dead.port}`, `127.0.0.1#${theirs.port}`];
  const server = new ResolverServer(own, names, () => all);
  const cut = (await ask(own.port, query("example.com")))!;
  assert(cut.length <= 512 && cut[2]! & 2, "it says that it was cut");
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: own.port });
  await writeMessage(connection, query("example.com"));
  const whole = (await readMessage(connection))!;
  assertEquals([whole[2]! & 2, whole[6]! << 8 | whole[7]!], [0, 100]);
  await server.close();
  await upstream.close();
});

Deno.test("without anybody to ask there is an answer that says so", { sanitizeOps }, async () => {
  const own = sockets(), server = new ResolverServer(own, names, () => []);
  assertEquals((await ask(own.port, query("example.com")))![3]! & 15, 2);
  await server.close();
});

Deno.test("an address that means another machine at each interface has the number of its own", () => {
  const scope = (place: string) => new DataView(socketAddress(place, 53).buffer).getUint32(24, true);
  assertEquals([scope("fe80::1%lo"), scope("fe80::1")], [1, 0]);
  assertThrows(() => socketAddress("fe80::1%nosuch", 53), Error, "there is no interface nosuch");
});

Deno.test("the host's resolvers are those of resolv.conf, behind systemd-resolved the real ones", () => {
  const text = "# a\nnameserver 127.0.0.53\n nameserver fe80::1%eth0\nsearch a.example b.example\noptions edns0\n";
  assertEquals(nameservers(text), ["127.0.0.53", "fe80::1%eth0"]);
  assertEquals(searchDomains(text), ["a.example", "b.example"]);
  const folder = Deno.makeTempDirSync(), path = `${folder}/resolv.conf`, behind = `${folder}/behind`;
  try {
    assertEquals(hostUpstreams(path)(), ["127.0.0.1"]);
    assertEquals(reachableConfiguration(path, behind), "");
    Deno.writeTextFileSync(path, "nameserver 192.0.2.1\n# kept as it is\n");
    assertEquals(reachableConfiguration(path, behind), "nameserver 192.0.2.1\n# kept as it is\n");
    assertEquals(hostUpstreams(path)(), ["192.0.2.1"]);
    Deno.writeTextFileSync(path, text);
    assertEquals(reachableConfiguration(path, behind), "search a.example b.example\noptions edns0\n");
    Deno.writeTextFileSync(behind, "nameserver 192.0.2.9\nnameserver 127.0.0.1\n");
    assertEquals(
      reachableConfiguration(path, behind),
      "nameserver 192.0.2.9\nsearch a.example b.example\noptions edns0\n",
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test(
  "whoever asks without end is answered in turns, between which other work is done",
  { sanitizeOps },
  async () => {
    const own = sockets(), fd = connectedSocket("127.0.0.1", own.port), message = query("web");
    for (let i = 0; i < 100; i++) syscall("sendto", fd, message, message.length, 0, null, 0);
    let asked = 0, closed: Promise<void> | undefined, end = () => Promise.resolve();
    const server = new ResolverServer(own, {
      addresses: () => {
        asked++;
        closed ??= end(); // which it sees when the turn is over
        return [];
      },
      name: () => undefined,
    }, () => []);
    end = () => server.close();
    while (!closed) await new Promise((resolve) => setTimeout(resolve, 1));
    await closed;
    close(fd);
    assertEquals(asked, 32);
  },
);

Deno.test("an answer that somebody else made up is passed over", { sanitizeOps }, async () => {
  const upstream = sockets(), liar = sockets(), own = sockets(), stop = new AbortController();
  const right = addressBytes("192.0.2.1"), wrong = addressBytes("203.0.113.66");
  const ports = new Set<number>(), ids = new Set<number>();
  const answering = (async () => {
    while (await readable(upstream.datagrams, stop.signal)) {
      const { bytes, from } = receiveFrom(upstream.datagrams)!, question = readQuery(bytes)!;
      ports.add(from[2]! << 8 | from[3]!);
      ids.add(question.id);
      const made = (id: number, name: string, data: Uint8Array<ArrayBuffer>) =>
        withId(answer(readQuery(query(name))!, NOERROR, [data], 4096), id);
      for (
        const [id, name] of [
          [question.id + 1 & 0xffff, "a.example"],
          [question.id, "b.example"],
          [question.id, "A.example"],
        ] as const
      ) sendTo(upstream.datagrams, made(id, name, wrong), from);
      sendTo(upstream.datagrams, withId(bytes, question.id), from); // a question is no answer
      sendTo(upstream.datagrams, new Uint8Array([question.id >> 8, question.id & 0xff, 0x80]), from);
      sendTo(liar.datagrams, made(question.id, "a.example", wrong), from);
      sendTo(upstream.datagrams, made(question.id, "a.example", right), from);
    }
  })();
  const server = new ResolverServer(own, names, () => [`127.0.0.1#${upstream.port}`]);
  for (let i = 0; i < 8; i++) {
    const reply = (await ask(own.port, query("a.example")))!;
    assertEquals([...reply.subarray(-4)], [...right]);
    assertEquals([...reply.subarray(0, 2)], [0x12, 0x34]);
  }
  assert(ports.size > 4 && ids.size > 4, "a port and a number for each question, that nobody can tell beforehand");
  await server.close();
  stop.abort();
  await answering;
  for (const { datagrams, listener } of [upstream, liar]) [datagrams, listener].forEach(close);
});
