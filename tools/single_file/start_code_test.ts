import { assertEquals, assertThrows } from "@std/assert";
import { link } from "../../ffi/machine_code.ts";
import { startAarch64 } from "./start_aarch64.ts";
import { encodeLists } from "./start_code.ts";
import { startX86_64 } from "./start_x86_64.ts";

/** Reads lists as the start code does. */
function decode(bytes: Uint8Array<ArrayBuffer>) {
  const view = new DataView(bytes.buffer);
  const string = (at: number) => new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));
  let at = 24;
  const strings = () => {
    const result = [];
    for (; view.getUint32(at, true) !== 0; at += 4) result.push(string(view.getUint32(at, true)));
    at += 4;
    return result;
  };
  const [args, env] = [strings(), strings()];
  const rules = [];
  for (; bytes[at] !== 0; at += 2 + bytes[at]!) {
    const prefix = new TextDecoder().decode(bytes.subarray(at + 2, at + 2 + bytes[at]!));
    rules.push({ prefix, keep: bytes[at + 1] === 1 });
  }
  return {
    environ: view.getBigInt64(0, true),
    entry: view.getBigInt64(8, true),
    room: view.getBigUint64(16, true),
    args,
    env,
    rules,
  };
}

Deno.test("lists hold distances, room for every pointer, and the strings", () => {
  const rules = [{ prefix: "A_B=", keep: true }, { prefix: "A_", keep: false }];
  const lists = {
    address: 0x5000,
    environSlot: 0x4ff0,
    entry: 0x1000,
    args: ["x", "run", "ü"],
    env: ["A=1", "B="],
    rules,
  };
  assertEquals(decode(encodeLists(lists)), {
    environ: -0x10n,
    entry: -0x4000n,
    room: 40n,
    args: lists.args,
    env: lists.env,
    rules,
  });
});

Deno.test("lists may be empty", () => {
  const { args, env, rules } = decode(
    encodeLists({ address: 8, environSlot: 0, entry: 0, args: [], env: [], rules: [] }),
  );
  assertEquals([args, env, rules], [[], [], []]);
});

Deno.test("a rule without letters is refused: it would be read as the end of the rules", () => {
  const lists = { address: 8, environSlot: 0, entry: 0, args: [], env: [], rules: [{ prefix: "", keep: false }] };
  assertThrows(() => encodeLists(lists), Error, "a rule cannot be about");
});

Deno.test("the lists behind the code are aligned to the words in them", () => {
  for (const { lines, setDistance } of [startX86_64, startAarch64]) {
    assertEquals(link(lines, setDistance).length % 8, 0);
  }
});
