import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { formatList, formatOne, type Row } from "./format.ts";

const headings = {
  ID: "CONTAINER ID",
  Names: "NAMES",
  Ports: "PORTS",
  Label: (key: unknown) => String(key),
};
const columns = "{{.ID}}\t{{.Ports}}\t{{.Names}}";

function row(id: string, names: string, ports = ""): Row {
  return { ID: id, Names: names, Ports: ports, Label: (key: unknown) => key === "tier" ? "front" : "" };
}

const rows = [row("0123456789ab", "web"), row("ba9876543210", "a-much-longer-name", "80/tcp")];

function list(format?: string, from: Row[] = rows): string {
  return formatList(from, { format, columns, headings });
}

Deno.test("a list is a table with Docker's columns", () => {
  const table = "CONTAINER ID   PORTS     NAMES\n" +
    "0123456789ab             web\n" +
    "ba9876543210   80/tcp    a-much-longer-name\n";
  assertEquals(list(), table);
  assertEquals(list("table"), table);
  assertEquals(list(undefined, []), "CONTAINER ID   PORTS     NAMES\n");
});

Deno.test("a template is a line for each row, and nothing for none", () => {
  assertEquals(list("{{.ID}}: {{.Names}}"), "0123456789ab: web\nba9876543210: a-much-longer-name\n");
  assertEquals(list("{{.Names}}\\t{{.Label `tier`}}"), "web\tfront\na-much-longer-name\tfront\n");
  assertEquals(list("{{.ID}}", []), "");
  assertEquals(list("x{{`\t`}}"), "x\t\nx\t\n");
});

Deno.test("table with a template has its own columns and headings", () => {
  assertEquals(
    list("table {{.Names}}\\t{{upper .ID}}"),
    [
      "NAMES                CONTAINER ID",
      "web                  0123456789AB",
      "a-much-longer-name   BA9876543210\n",
    ].join("\n"),
  );
  assertEquals(
    list("table {{.Label `tier`}}\t{{truncate .ID 3}}", [rows[0]!]),
    "tier      CONTAINER ID\nfront     012\n",
  );
});

Deno.test("json is one object a line with sorted fields and no methods", () => {
  const lines = [
    '{"ID":"0123456789ab","Names":"web","Ports":""}',
    '{"ID":"ba9876543210","Names":"a-much-longer-name","Ports":"80/tcp"}',
    "",
  ].join("\n");
  assertEquals(list("json"), lines);
  assertEquals(list("{{json .}}"), lines);
});

Deno.test("a cell cannot break the table or steer the terminal", () => {
  assertEquals(list("table {{.Names}}", [row("1", "a\tb\x1b[2Jc\n")]), "NAMES\na\\tb\\x1b[2Jc\\n\n");
});

Deno.test("a template for one thing ends its line", () => {
  assertEquals(formatOne({ A: { B: 1 } }, "{{.A.B}}"), "1\n");
  assertEquals(formatOne({ A: 1 }, "json"), '{"A":1}\n');
});

Deno.test("a wrong template is refused also where there is nothing to print", () => {
  assertThrows(() => list("{{.ID", []), MiniError, "a }} is missing");
  assertThrows(() => list("table {{.Nmaes}}", []), MiniError, "did you mean .Names?");
});
