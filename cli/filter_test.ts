import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { labelMatches, parseFilters } from "./filter.ts";

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
  assertThrows(() => matching("stauts=x"), MiniError, "there is no filter 'stauts', did you mean 'status'?");
  assertThrows(() => matching("zzz=x"), MiniError, "there is no filter 'zzz', only name, status, label");
  assertThrows(() => matching("__proto__=x"), MiniError, "there is no filter");
});
