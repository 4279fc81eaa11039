import { assertEquals } from "@std/assert";
import { distance, nearest } from "./suggest.ts";

Deno.test("distance counts inserted, removed, replaced and swapped letters", () => {
  assertEquals(distance("run", "run"), 0);
  assertEquals(distance("rn", "run"), 1);
  assertEquals(distance("runn", "run"), 1);
  assertEquals(distance("ran", "run"), 1);
  assertEquals(distance("rnu", "run"), 1);
  assertEquals(distance("", "run"), 3);
  assertEquals(distance("kitten", "sitting"), 3);
});

Deno.test("nearest finds a mistyped word and leaves other words alone", () => {
  const words = ["run", "ps", "rm", "images", "inspect", "read-only"];
  assertEquals(nearest("rnu", words), "run");
  assertEquals(nearest("imgaes", words), "images");
  assertEquals(nearest("reed-only", words), "read-only");
  assertEquals(nearest("RUN", words), "run");
  assertEquals(nearest("x", words), undefined);
  assertEquals(nearest("completely-else", words), undefined);
  assertEquals(nearest("", words), undefined);
});

Deno.test("nearest takes the beginning of a word for the word", () => {
  assertEquals(nearest("insp", ["run", "inspect"]), "inspect");
});

Deno.test("nearest does not compare words of absurd length", () => {
  assertEquals(nearest("r".repeat(100_000), ["r".repeat(99_999)]), undefined);
});
