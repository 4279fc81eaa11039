/** Names and ids of containers. */
import { MiniError } from "../ffi/errors.ts";

// deno-fmt-ignore
const ADJECTIVES = ["amber", "bold", "brave", "bright", "brisk", "calm", "clever", "cosy", "crisp", "daring", "deft", "eager", "early",
  "fair", "fleet", "fond", "frank", "gentle", "glad", "golden", "grand", "happy", "hardy", "keen", "kind", "lively", "lucid", "lucky",
  "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "placid", "plain", "proud", "quick", "quiet", "rapid",
  "ready", "sharp", "silent", "silver", "smart", "snug", "sober", "spry", "steady", "still", "sunny", "swift", "tidy", "trim", "true",
  "vivid", "warm", "wise", "witty", "young", "zesty"];
/** Small animals and small boats, because the tool is small. */
// deno-fmt-ignore
const NOUNS = ["ant", "bat", "bee", "canoe", "chick", "coot", "crab", "cricket", "dinghy", "dormouse", "drake", "finch", "firefly", "fox",
  "frog", "gecko", "gnat", "goby", "hare", "hedgehog", "hopper", "jay", "kayak", "kitten", "lark", "linnet", "lizard", "loris", "marten",
  "mink", "minnow", "mole", "moth", "mouse", "newt", "otter", "owlet", "perch", "pika", "pipit", "plover", "punt", "quail", "raft",
  "robin", "shrew", "shrimp", "siskin", "skiff", "skink", "snail", "sparrow", "stoat", "swallow", "swift", "tern", "toad", "trout",
  "vole", "wagtail", "weasel", "wren", "yawl"];

const pick = (words: readonly string[]) => words[crypto.getRandomValues(new Uint32Array(1))[0]! % words.length]!;

/** A name for a container that was given none: `nimble_wren`. */
export const randomName = () => `${pick(ADJECTIVES)}_${pick(NOUNS)}`;

/** A new id: 64 hexadecimal digits, like Docker's. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @throws {MiniError} for a name that Docker would refuse too. */
export function checkName(name: string): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name) || name.length > 255) {
    throw new MiniError(
      `${
        JSON.stringify(name)
      } is not a name for a container: use letters, digits, "_", "." and "-", beginning with a letter or digit, two at least`,
    );
  }
}

/** @throws {MiniError} for what cannot stand in /etc/hosts: a host name is letters, digits, "-", "_" and "." alone. */
export function checkHostname(name: string): void {
  if (!/^[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_])?$/.test(name) || name.length > 64) {
    throw new MiniError(
      `${JSON.stringify(name)} is not a host name: use letters, digits, "-", "_" and ".", 64 at most`,
    );
  }
}
