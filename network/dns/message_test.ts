import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  A,
  AAAA,
  addressBytes,
  answer,
  answers,
  BadQuery,
  fit,
  FORMERR,
  NOERROR,
  NOTIMP,
  PTR,
  readQuery,
  refusal,
  reverseAddress,
  withId,
} from "./message.ts";
import { canonical, type Names, resolve } from "./resolver.ts";

/** A query as resolvers send it: recursion desired, one question. */
function query(name: string, type: number, more: number[] = [], additional = 0): Uint8Array<ArrayBuffer> {
  const labels = name.split(".").filter(Boolean).flatMap((l) => [l.length, ...new TextEncoder().encode(l)]);
  return new Uint8Array([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, additional, ...labels, 0, 0, type, 0, 1, ...more]);
}

const codeOf = (message: Uint8Array) => message[3]! & 15;
const countOf = (message: Uint8Array) => message[6]! << 8 | message[7]!;

Deno.test("a query is read, its name in lower case", () => {
  const question = readQuery(query("Web.Example", A))!;
  assertEquals([question.id, question.name, question.type, question.class, question.limit], [
    0x1234,
    "web.example",
    A,
    1,
    512,
  ]);
  const opt = [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0];
  assertEquals(readQuery(query("web", A, opt, 1))!.limit, 4096);
});

Deno.test("what is no query gets no answer, and what cannot be answered a refusal", () => {
  assertEquals(readQuery(new Uint8Array(11)), undefined);
  const response = query("web", A);
  response[2] = 0x81;
  assertEquals(readQuery(response), undefined);
  const update = query("web", A);
  update[2] = 5 << 3;
  assertEquals(assertThrows(() => readQuery(update), BadQuery).code, NOTIMP);
  const two = query("web", A);
  two[5] = 2;
  const whole = query("web", A), pointer = query("web", A);
  pointer[12] = 0xc0;
  for (const bad of [two, whole.slice(0, -1), whole.slice(0, 14), pointer, query("a.".repeat(200), A)]) {
    const error = assertThrows(() => readQuery(bad), BadQuery);
    assertEquals(error.code, FORMERR);
    assertEquals([...refusal(error).subarray(0, 4)], [0x12, 0x34, 0x80, 0x81]);
  }
});

Deno.test("no bytes whatever are read as more than they are", () => {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 0x7fffffff) / 0x7fffffff;
  for (let i = 0; i < 20_000; i++) {
    const bytes = query("web.example", A);
    for (let j = 0; j < 3; j++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    try {
      readQuery(bytes.subarray(0, Math.floor(random() * (bytes.length + 1))));
    } catch (error) {
      assert(error instanceof BadQuery, String(error));
    }
  }
});

Deno.test("an answer has the question, its records, and says when not all fit", () => {
  const question = readQuery(query("web", A))!;
  const message = answer(question, NOERROR, [addressBytes("10.0.0.2"), addressBytes("10.0.0.3")], 512);
  assertEquals([...message.subarray(0, 12)], [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]);
  assertEquals([...message.subarray(question.head.length)], [
    ...[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0, 0, 2],
    ...[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0, 0, 3],
  ]);
  const many = Array.from({ length: 100 }, (_, i) => addressBytes(`10.0.0.${i}`));
  const cut = answer(question, NOERROR, many, 512);
  assert(cut.length <= 512 && cut[2]! & 2);
  assertEquals(countOf(answer(question, NOERROR, many, 65535)), 100);
});

Deno.test("answers of others are taken if they are to our question, and cut if they are too long", () => {
  const question = readQuery(query("web.example", A))!;
  const theirs = withId(answer(question, NOERROR, [addressBytes("10.0.0.2")], 512), 7);
  assert(answers(theirs, 7, question));
  assert(!answers(theirs, 8, question));
  assert(!answers(query("web.example", A), 0x1234, question), "a query is no answer");
  const other = readQuery(query("web.example", AAAA))!;
  assert(!answers(theirs, 7, other));
  assertEquals(fit(theirs, question), theirs);
  const long = new Uint8Array(1000);
  long.set(theirs);
  const short = fit(long, question);
  assertEquals([short.length, short[2]! & 2, countOf(short)], [question.head.length, 2, 0]);
});

Deno.test("addresses and their reverse names", () => {
  assertEquals(reverseAddress("2.1.18.172.in-addr.arpa"), "172.18.1.2");
  const v6 = "1." + "0.".repeat(23) + "0.0.0.0.0.0.d.f.ip6.arpa";
  assertEquals(canonical(reverseAddress(v6)!), canonical("fd00::1"));
  assertEquals(reverseAddress("example.com"), undefined);
  assertEquals([...addressBytes("fd00::1:2")], [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]);
});

const names: Names = {
  addresses: (name) =>
    ({ web: ["10.0.0.2", "fd00::2"], both: ["10.0.0.2", "10.0.0.3"] } as Record<string, string[]>)[name],
  name: (address) => address === "10.0.0.2" ? "web" : undefined,
};

Deno.test("names of containers are answered here, others elsewhere, and those of nobody not at all", async () => {
  const asked: string[] = [];
  const forward = (query: Uint8Array, { name }: { name: string }) => {
    asked.push(name);
    return Promise.resolve(name === "dead.example" ? undefined : query);
  };
  const ask = (name: string, type: number) => resolve(query(name, type), names, forward, false);
  assertEquals(countOf((await ask("web", A))!), 1);
  assertEquals(countOf((await ask("WEB", AAAA))!), 1);
  assertEquals(
    [codeOf((await ask("both", AAAA))!), countOf((await ask("both", AAAA))!)],
    [0, 0],
    "it exists, without one",
  );
  assertEquals(codeOf((await ask("nobody", A))!), 3);
  assertEquals(countOf((await ask("2.0.0.10.in-addr.arpa", PTR))!), 1);
  assertEquals(asked, []);
  assertEquals(await ask("example.com", A), query("example.com", A));
  assertEquals(codeOf((await ask("dead.example", A))!), 2);
  assertEquals(await ask("9.0.0.10.in-addr.arpa", PTR), query("9.0.0.10.in-addr.arpa", PTR));
  assertEquals(asked, ["example.com", "dead.example", "9.0.0.10.in-addr.arpa"]);
  const first = new Set<number>();
  for (let i = 0; i < 100; i++) first.add((await ask("both", A))!.at(-1)!);
  assertEquals([...first].sort(), [2, 3], "each comes first sometimes");
});
