import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { absent, labelMatches, oneOf, parseFilters, trueOrFalse } from "./filter.ts";

interface Thing {
  name: string;
  status: string;
  labels: Record<string, string>;
}

const things: Thing[] = [
  { name: "web", status: "running", labels: { tier: "front", os: "linux" } },
  { name: "db", status: "exited", labels: { tier: "back" } },
  { name: "web2", status: "created", labels: {} },
];

function matching(...filters: string[]): string[] {
  const filter = parseFilters<Thing>(filters, {
    name: ({ name }, value) => name.includes(value),
    status: ({ status }, value) => status === value,
    label: ({ labels }, value) => labelMatches(labels, value),
  });
  return things.filter(filter).map(({ name }) => name);
}

Deno.test("the same key is an alternative, another key a further condition", () => {
  assertEquals(matching(), ["web", "db", "web2"]);
  assertEquals(matching("name=web"), ["web", "web2"]);
  assertEquals(matching("status=running", "status=exited"), ["web", "db"]);
  assertEquals(matching("name=web", "status=created"), ["web2"]);
});

Deno.test("labels must all match", () => {
  assertEquals(matching("label=tier"), ["web", "db"]);
  assertEquals(matching("label=tier=back"), ["db"]);
  assertEquals(matching("label=tier", "label=os=linux"), ["web"]);
  assertEquals(matching("label=constructor"), []);
});

Deno.test("a filter without a value and an unknown one are refused", () => {
  assertThrows(() => matching("name"), MiniError, "the filter 'name' is not of the form key=value");
  assertThrows(
    () => matching("stauts=x"),
    MiniError,
    "there is no filter 'stauts' (did you mean 'status'?), only label",
  );
  assertThrows(() => matching("zzz=x"), MiniError, "there is no filter 'zzz', only label, name, status");
  assertThrows(() => matching("__proto__=x"), MiniError, "there is no filter");
});

Deno.test("values that a key does not take are refused before anything is looked at", () => {
  const read = (filter: string) =>
    parseFilters<Thing>([filter], {
      status: oneOf("status", ["running", "exited"], ({ status }, value) => status === value),
      up: trueOrFalse("up", ({ status }, value) => (status === "running") === value),
      isolation: absent("isolation", "it is about Windows"),
    });
  assertEquals(things.filter(read("status=Exited")).map(({ name }) => name), ["db"]);
  assertEquals(things.filter(read("up=1")).map(({ name }) => name), ["web"]);
  assertEquals(things.filter(read("up=false")).length, 2);
  assertThrows(() => read("status=up"), MiniError, "the filter status is one of running, exited, not 'up'");
  assertThrows(() => read("up=maybe"), MiniError, "the filter up is true or false, not 'maybe'");
  assertThrows(() => read("isolation=hyperv"), MiniError, "the filter isolation is not for mini: it is about Windows");
  assertThrows(() => read("zzz=x"), MiniError, "there is no filter 'zzz', only status, up");
});
