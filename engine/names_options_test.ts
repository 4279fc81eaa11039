import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { readNames } from "./names_options.ts";

const NONE = { servers: [], search: [], options: [], hosts: [] };

Deno.test("what is said about names is kept, and nothing is nothing", () => {
  assertEquals(readNames(NONE), undefined);
  const hosts = ["db:10.0.0.1", "six:fd00::1", "box:[fd00::2]", "eq=10.0.0.2", "me:host-gateway"];
  assertEquals(readNames({ servers: ["192.0.2.1"], search: ["a.example"], options: ["ndots:2"], hosts }), {
    servers: ["192.0.2.1"],
    search: ["a.example"],
    options: ["ndots:2"],
    hosts: [["db", "10.0.0.1"], ["six", "fd00::1"], ["box", "fd00::2"], ["eq", "10.0.0.2"], ["me", "host-gateway"]],
  });
  assertEquals(readNames({ ...NONE, search: ["."] }), { search: [] });
});

Deno.test("what cannot be meant is refused by its flag", () => {
  const bad: [Partial<typeof NONE>, string][] = [
    [{ servers: ["dns.example"] as never }, "--dns"],
    [{ search: ["a b\nnameserver 1.2.3.4"] as never }, "--dns-search"],
    [{ options: ["x\ny"] as never }, "--dns-option"],
    [{ hosts: ["db"] as never }, "--add-host"],
    [{ hosts: ["db:nowhere"] as never }, "--add-host"],
    [{ hosts: ["a b:10.0.0.1"] as never }, "--add-host"],
  ];
  for (const [flags, word] of bad) assertThrows(() => readNames({ ...NONE, ...flags }), MiniError, word);
});
