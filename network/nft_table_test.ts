import { assertEquals, assertMatch } from "@std/assert";
import { be16, decode, u8 } from "../ffi/netlink_message.ts";
import { addElements, NFPROTO_IPV4 } from "./nft_message.ts";
import { interfaceKey, makeTable, SETS, TABLE } from "./nft_table.ts";

/**
 * What `nft -f` 1.0.6 sent for the same table, with one element in each of three sets, recorded by
 * `strace -e trace=sendmsg -e write=all`.
 */
const CAPTURE = new URL("./testdata/nft_batch.base64", import.meta.url);

/** Attributes by type, in any order, those within others as well. */
type Tree = { [type: string]: Tree | string };

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function tree(bytes: Uint8Array): Tree {
  const all: Tree = {};
  let number = 0;
  for (let at = 0; at < bytes.length;) {
    const length = bytes[at]! | bytes[at + 1]! << 8, type = bytes[at + 2]! | bytes[at + 3]! << 8;
    const value = bytes.subarray(at + 4, at + length), isList = (type & 0x3fff) === 1 && (type & 0x8000) !== 0;
    // Lists have the same type for all of their items.
    all[isList ? `item ${number++}` : `${type & 0x3fff}`] = type & 0x8000 ? tree(value) : hex(value);
    at += (length + 3) & ~3;
  }
  return all;
}

/** nft says which set it means by name and by the number that the set has in the batch; the name is enough. */
function withoutSetNumbers(value: Tree | string): Tree | string {
  if (typeof value === "string") return value;
  const isLookup = value["1"] === hex(new TextEncoder().encode("lookup\0"));
  return Object.fromEntries(
    Object.entries(value).map(([type, inner]) => {
      const kept = isLookup && type === "2"
        ? Object.fromEntries(Object.entries(inner).filter(([t]) => t !== "4"))
        : inner;
      return [type, withoutSetNumbers(kept)];
    }),
  );
}

Deno.test("our table is what nft makes of its text, message by message", () => {
  const recorded = decode(
    Uint8Array.from(atob(Deno.readTextFileSync(CAPTURE).replaceAll("\n", "")), (c) => c.charCodeAt(0)),
  );
  const mini0 = interfaceKey("mini0"), container = Uint8Array.of(172, 18, 0, 2);
  const ours = [
    ...makeTable(NFPROTO_IPV4),
    ...addElements(NFPROTO_IPV4, TABLE, SETS.same, [{ key: [mini0, mini0] }]),
    ...addElements(NFPROTO_IPV4, TABLE, SETS.bridges, [{ key: [mini0] }]),
    ...addElements(NFPROTO_IPV4, TABLE, SETS.ports, [{ key: [u8(6), be16(8080)], value: [container, be16(80)] }]),
    ...addElements(NFPROTO_IPV4, TABLE, SETS.portsAt, [
      { key: [Uint8Array.of(127, 0, 0, 1), u8(6), be16(8081)], value: [container, be16(80)] },
    ]),
  ];
  const NEWSET = 0x0a09, NEWELEMENT = 0x0a0c;
  const simple = (message: { type: number; body: Uint8Array }) => {
    const all = withoutSetNumbers(tree(message.body.subarray(4))) as Tree;
    // The number of the set again, and what nft notes for itself about sets with several parts.
    if (message.type === NEWELEMENT) delete all["4"];
    if (message.type === NEWSET && all["4"] !== "00000029") delete all["13"];
    return { type: message.type, family: message.body[0]!, all };
  };
  const inOrder = (messages: readonly { type: number; body: Uint8Array }[]) =>
    messages.map(simple).toSorted((a, b) => a.type - b.type);
  assertEquals(inOrder(ours), inOrder(recorded.filter(({ type }) => type >> 8 === 10)));
});

Deno.test("every message of the table says in words what it does", () => {
  for (const { what } of makeTable(NFPROTO_IPV4)) assertMatch(what, /^(make|add) .*\bmini\b/);
});

Deno.test("a thousand published ports are a few messages", () => {
  const elements = Array.from({ length: 1000 }, (_, i) => ({
    key: [u8(6), be16(20000 + i)],
    value: [Uint8Array.of(172, 18, 0, 2), be16(i + 1)],
  }));
  assertEquals(addElements(NFPROTO_IPV4, TABLE, SETS.ports, elements).length, 3);
});
