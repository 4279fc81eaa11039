import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  parsePlatform,
  platformMatches,
  runnablePlatforms,
} from "./platform.ts";
import { type Descriptor, type Index, MediaType } from "./types.ts";

function index(...platforms: (string | undefined)[]): Index {
  const manifests = platforms.map((text, size): Descriptor => {
    const descriptor: Descriptor = { mediaType: MediaType.ociManifest, digest: `sha256:${"0".repeat(64)}`, size };
    if (text !== undefined) {
      const [os, architecture, variant] = text.split("/") as [string, string, string?];
      descriptor.platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
    }
    return descriptor;
  });
  return { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests };
}

function choose(wanted: string, ...there: (string | undefined)[]): string | undefined {
  return there[choosePlatform(index(...there), parsePlatform(wanted), "x").size];
}

Deno.test("a platform is read in every spelling that people use", () => {
  const table: [string, string][] = [
    ["linux/amd64", "linux/amd64"],
    ["amd64", "linux/amd64"],
    ["linux/x86_64", "linux/amd64"],
    ["linux/amd64/v1", "linux/amd64"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/armhf", "linux/arm/v7"],
    ["linux/armel", "linux/arm/v6"],
    ["linux/arm/v6", "linux/arm/v6"],
    ["LINUX/S390X", "linux/s390x"],
    ["linux/i686", "linux/386"],
    ["windows/amd64", "windows/amd64"],
    ["linux", formatPlatform(hostPlatform())],
  ];
  for (const [written, meant] of table) assertEquals(formatPlatform(parsePlatform(written)), meant, written);
});

Deno.test("what is not a platform is refused", () => {
  for (const text of ["", "/", "linux/", "linux/amd64/v1/x", "linux/vax", "linux/a b", "windows", "x".repeat(1000)]) {
    assertThrows(() => parsePlatform(text), MiniError, "is not a platform");
  }
});

Deno.test("the best that a machine can run is chosen from an index", () => {
  assertEquals(choose("linux/amd64", "linux/arm64", "linux/amd64", "linux/386"), "linux/amd64");
  assertEquals(choose("linux/amd64", "linux/arm64", "linux/386"), "linux/386");
  assertEquals(
    choose("linux/arm64", "linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8"),
    "linux/arm64/v8",
  );
  assertEquals(choose("linux/arm64", "linux/arm/v6", "linux/arm/v7"), "linux/arm/v7");
  assertEquals(choose("linux/arm/v7", "linux/arm64/v8", "linux/arm/v5", "linux/arm/v6"), "linux/arm/v6");
  assertEquals(choose("linux/arm/v6", "linux/arm/v6", "linux/arm/v7"), "linux/arm/v6");
  assertEquals(choose("linux/arm", "linux/arm"), "linux/arm");
  assertEquals(choose("linux/amd64", undefined), undefined);
});

Deno.test("when nothing suits, the sentence lists what there is", () => {
  const error = assertThrows(() => choose("linux/s390x", "linux/amd64", "linux/arm/v7", "unknown/unknown"), MiniError);
  assertEquals(error.message, "x has no image for linux/s390x; it has linux/amd64, linux/arm/v7");
  assertThrows(() => choose("linux/arm/v5", "linux/arm/v6"), MiniError, "no image for linux/arm/v5");
  assertThrows(() => choose("linux/amd64"), MiniError, "none at all");
});

Deno.test("an image for a smaller machine matches a larger one, not the other way round", () => {
  assertEquals(platformMatches({ os: "linux", architecture: "386" }, parsePlatform("linux/amd64")), true);
  assertEquals(platformMatches({ os: "linux", architecture: "amd64" }, parsePlatform("linux/386")), false);
  assertEquals(platformMatches({ os: "windows", architecture: "amd64" }, parsePlatform("linux/amd64")), false);
  assertEquals(runnablePlatforms(parsePlatform("linux/amd64/v3")), [
    "linux/amd64/v3",
    "linux/amd64/v2",
    "linux/amd64",
    "linux/386",
  ]);
});
