import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import {
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  registryHost,
  withDefaultTag,
} from "./reference.ts";

const HEX = "0123456789abcdef".repeat(4);

Deno.test("names are completed as Docker completes them, and shortened back", () => {
  const table: [written: string, full: string, familiar: string][] = [
    ["alpine", "docker.io/library/alpine:latest", "alpine:latest"],
    ["alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"],
    ["library/alpine", "docker.io/library/alpine:latest", "alpine:latest"],
    ["docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"],
    ["docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine:latest"],
    ["index.docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine:latest"],
    ["user/app", "docker.io/user/app:latest", "user/app:latest"],
    ["a/b/c", "docker.io/a/b/c:latest", "a/b/c:latest"],
    ["localhost/x", "localhost/x:latest", "localhost/x:latest"],
    ["localhost", "docker.io/library/localhost:latest", "localhost:latest"],
    ["localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"],
    ["localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"],
    ["localhost:5000/x:1", "localhost:5000/x:1", "localhost:5000/x:1"],
    ["127.0.0.1:5000/x", "127.0.0.1:5000/x:latest", "127.0.0.1:5000/x:latest"],
    ["[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"],
    ["[::1]/x", "[::1]/x:latest", "[::1]/x:latest"],
    ["ghcr.io/a/b-c__d.e_f:V1.0-x", "ghcr.io/a/b-c__d.e_f:V1.0-x", "ghcr.io/a/b-c__d.e_f:V1.0-x"],
    ["Host/x", "Host/x:latest", "Host/x:latest"],
    ["host.example/x", "host.example/x:latest", "host.example/x:latest"],
    ["a---b", "docker.io/library/a---b:latest", "a---b:latest"],
    [`alpine@sha256:${HEX}`, `docker.io/library/alpine@sha256:${HEX}`, `alpine@sha256:${HEX}`],
    [`alpine:1@sha256:${HEX}`, `docker.io/library/alpine:1@sha256:${HEX}`, `alpine:1@sha256:${HEX}`],
    [`r:5/a@sha512:${HEX}${HEX}`, `r:5/a@sha512:${HEX}${HEX}`, `r:5/a@sha512:${HEX}${HEX}`],
  ];
  for (const [written, full, familiar] of table) {
    const reference = withDefaultTag(parseReference(written));
    assertEquals(formatReference(reference), full, written);
    assertEquals(familiarReference(reference), familiar, written);
  }
});

Deno.test("what is not a name is refused with the reason", () => {
  const table: [written: string, reason: string][] = [
    ["", "empty"],
    ["Alpine", 'lower case; did you mean "alpine"?'],
    ["ghcr.io/A/b:Tag", 'did you mean "ghcr.io/a/b:Tag"?'],
    [":tag", "name is missing"],
    ["alpine:", "tag"],
    ["alpine:-x", "tag"],
    ["alpine:a b", "tag"],
    [`alpine:${"x".repeat(129)}`, "tag"],
    ["alpine@", "not a digest"],
    ["alpine@sha256:abc", "not a digest"],
    [`alpine@sha256:${HEX.toUpperCase()}`, "not a digest"],
    [`alpine@md5:${HEX}`, "not a digest"],
    [`a@sha256:${HEX}@sha256:${HEX}`, "not a digest"],
    ["a//b", "slashes"],
    ["/a", "slashes"],
    ["a/", "slashes"],
    ["../../etc/passwd", "host name"],
    ["a/../b", "must be lower-case"],
    ["-a", "must be lower-case"],
    ["a_-b", "must be lower-case"],
    ["a___b", "must be lower-case"],
    ["a..b", "must be lower-case"],
    ["a b", "must be lower-case"],
    ["ä", "must be lower-case"],
    ["http://localhost/x", "leave out"],
    ["ftp://localhost/x", "host name"],
    ["-host.example/x", "host name"],
    [HEX, "image ID"],
    [`a.b/${"x".repeat(252)}`, "longer than 255"],
    ["a\nb", "must be lower-case"],
    ["a:b\n", "tag"],
  ];
  for (const [written, reason] of table) {
    const error = assertThrows(() => parseReference(written), MiniError);
    assertEquals(error.message.includes(reason), true, `${JSON.stringify(written)}: ${error.message}`);
  }
});

Deno.test("a sentence about an endless name is not endless", () => {
  const error = assertThrows(() => parseReference("x".repeat(100_000) + "!"), MiniError);
  assertEquals(error.message.length < 1000, true);
});

Deno.test("reading what was written gives the same parts, for any parts", () => {
  let seed = 12345;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  const pick = (values: readonly string[]) => values[random(values.length)]!;
  const word = () => Array.from({ length: 1 + random(4) }, () => pick([..."abz019"])).join("");
  const part = () => word() + (random(2) ? pick([".", "_", "__", "-", "---"]) + word() : "");
  for (let round = 0; round < 5000; round++) {
    const domain = pick(["docker.io", "localhost", "localhost:5000", "[::1]:80", "a.b", "A", "127.0.0.1", "x:1"]);
    const parts = Array.from({ length: 1 + random(3) }, part);
    if (domain === "docker.io" && parts.length === 1) parts.unshift("library");
    const reference = {
      domain,
      path: parts.join("/"),
      ...(random(2) ? { tag: pick(["latest", "1", "V1.0_x-y", "_"]) } : {}),
      ...(random(3) ? {} : { digest: `sha256:${HEX}` }),
    };
    assertEquals(parseReference(formatReference(reference)), reference);
    // The short form loses nothing either.
    assertEquals(parseReference(familiarReference(reference)), reference);
  }
});

Deno.test("any text at all is read or refused, never anything else", () => {
  let seed = 99;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  const alphabet = [..."abAB01.:/@-_[]% \n\u0000é", "sha256:", HEX, "localhost", "docker.io/", "library/"];
  for (let round = 0; round < 20000; round++) {
    const text = Array.from({ length: random(8) }, () => alphabet[random(alphabet.length)]!).join("");
    try {
      const reference = parseReference(text);
      assertEquals(parseReference(formatReference(reference)), reference, text);
    } catch (error) {
      if (!(error instanceof MiniError)) throw error;
    }
  }
});

Deno.test("docker.io is served by another host than its name says", () => {
  assertEquals(registryHost("docker.io"), "registry-1.docker.io");
  assertEquals(registryHost("localhost:5000"), "localhost:5000");
  assertEquals(familiarName(parseReference("docker.io/a/b:1")), "a/b");
});
