import { assertEquals } from "@std/assert";
import { parseChallenges } from "./auth_challenge.ts";

function read(header: string | null) {
  return parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

Deno.test("a challenge is read with its quoted and plain parameters", () => {
  assertEquals(read('Bearer realm="https://a.example/t?x=1,2",service="r",scope="repository:a/b:pull,push"'), [
    ["bearer", { realm: "https://a.example/t?x=1,2", service: "r", scope: "repository:a/b:pull,push" }],
  ]);
  assertEquals(read("BASIC Realm=here"), [["basic", { realm: "here" }]]);
  assertEquals(read('Basic realm = "a \\"b\\" \\\\c" , charset="UTF-8"'), [
    ["basic", { realm: 'a "b" \\c', charset: "UTF-8" }],
  ]);
  assertEquals(read("Negotiate"), [["negotiate", {}]]);
});

Deno.test("several challenges in one header are kept apart", () => {
  assertEquals(read('Basic realm="x", Bearer realm="y",service=z'), [
    ["basic", { realm: "x" }],
    ["bearer", { realm: "y", service: "z" }],
  ]);
  assertEquals(read('Negotiate, Basic realm="x"'), [["negotiate", {}], ["basic", { realm: "x" }]]);
});

Deno.test("no header, an empty one and an endless one hold no challenge", () => {
  assertEquals(read(null), []);
  assertEquals(read(""), []);
  assertEquals(read(" , ,, "), []);
  assertEquals(read("Bearer " + "a=b,".repeat(1 << 20)), []);
});

Deno.test("an unreadable tail leaves what was read before it", () => {
  assertEquals(read('Bearer realm="unclosed'), [["bearer", {}]]);
  assertEquals(read("Bearer realm=,x"), [["bearer", {}]]);
  assertEquals(read('Bearer a="1",b=2;c'), [["bearer", { a: "1", b: "2" }]]);
  assertEquals(read("Bearer realm"), [["bearer", {}], ["realm", {}]]);
});

Deno.test("a parameter given twice keeps its first value", () => {
  assertEquals(read("Bearer realm=a,realm=b"), [["bearer", { realm: "a" }]]);
});
