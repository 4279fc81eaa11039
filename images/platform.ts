/**
 * Platforms, `os/architecture[/variant]`: reading, comparing, and choosing from an index what this machine can run.
 *
 * The names are Go's (OCI image-spec, image index): amd64, arm64, arm with the variants v5 to v8.
 */
import { MiniError } from "../ffi/errors.ts";
import type { Descriptor, Index, Platform } from "./types.ts";

/** What people and uname(1) call architectures, and what images do. */
const ARCHITECTURES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  aarch64: ["arm64"],
  arm64: ["arm64"],
  i386: ["386"],
  i486: ["386"],
  i586: ["386"],
  i686: ["386"],
  x86: ["386"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
};
const KNOWN = [
  "386",
  "amd64",
  "arm",
  "arm64",
  "loong64",
  "mips",
  "mips64",
  "mips64le",
  "mipsle",
  "ppc64",
  "ppc64le",
  "riscv64",
  "s390x",
  "wasm",
];

/**
 * Reads what `--platform` was given: `linux/arm64`, `linux/arm/v7`, `arm64`, `linux/x86_64`.
 *
 * @throws MiniError when it is not a platform.
 */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split("/");
  const refuse = () =>
    new MiniError(`${JSON.stringify(text.slice(0, 80))} is not a platform; write it as linux/amd64 or linux/arm/v7`);
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) throw refuse();
  if (parts.length === 1) {
    if (parts[0] === "linux") return { ...hostPlatform(), os: "linux" };
    parts.unshift("linux");
  }
  const [os, architecture, variant] = parts as [string, string, string?];
  const platform = normalise({ os, architecture, ...(variant === undefined ? {} : { variant }) });
  if (!KNOWN.includes(platform.architecture)) throw refuse();
  return platform;
}

/** The platform of this machine. */
export function hostPlatform(): Platform {
  return normalise({ os: "linux", architecture: Deno.build.arch });
}

/** One spelling for each platform: arm64's only variant v8 is left out, and 32-bit Arm without a variant is v7. */
export function normalise(platform: Platform): Platform {
  const lower = platform.architecture.toLowerCase();
  const [architecture, implied] = ARCHITECTURES[lower] ?? [lower];
  let variant = platform.variant?.toLowerCase().replace(/^(\d)$/, "v$1") || implied;
  if (architecture === "arm64" && variant === "v8" || architecture === "amd64" && variant === "v1") variant = undefined;
  if (architecture === "arm") variant ??= "v7";
  return { os: platform.os.toLowerCase(), architecture, ...(variant === undefined ? {} : { variant }) };
}

/** `linux/arm/v7`. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** What runs on a platform, the best first: a 64-bit Arm also runs 32-bit programs, v7 also v6, amd64 also 386. */
export function runnablePlatforms(platform: Platform): string[] {
  const { os, architecture, variant } = normalise(platform);
  const own = formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
  const arm = (highest: number) => Array.from({ length: highest - 4 }, (_, i) => `${os}/arm/v${highest - i}`);
  if (architecture === "arm") return arm(Math.min(8, Math.max(5, Number(variant?.slice(1)) || 7)));
  if (architecture === "arm64") return [...new Set([own, `${os}/arm64`, ...arm(8)])];
  if (architecture === "amd64") {
    const level = Number(/^v([2-4])$/.exec(variant ?? "")?.[1] ?? 1);
    const levels = Array.from({ length: level - 1 }, (_, i) => `${os}/amd64/v${level - i}`);
    return [...levels, `${os}/amd64`, `${os}/386`];
  }
  return [...new Set([own, `${os}/${architecture}`])];
}

/** Whether an image for `made` can stand where `wanted` was asked for. */
export function platformMatches(made: Platform, wanted: Platform): boolean {
  return runnablePlatforms(wanted).includes(formatPlatform(normalise(made)));
}

/**
 * Chooses the manifest for a platform.
 *
 * @param name the image, for the sentence.
 * @throws MiniError that lists what there is when nothing suits.
 */
export function choosePlatform(index: Index, wanted: Platform, name: string): Descriptor {
  const images = index.manifests.filter((entry) => !isAttachment(entry));
  for (const candidate of runnablePlatforms(wanted)) {
    const found = images.find(({ platform }) => platform && formatPlatform(normalise(platform)) === candidate);
    if (found) return found;
  }
  // An entry without a platform may be anything; its configuration will tell.
  const unsaid = images.filter(({ platform }) => platform === undefined);
  if (unsaid.length === 1) return unsaid[0]!;
  const there = [...new Set(images.flatMap(({ platform }) => platform ? [formatPlatform(platform)] : []))];
  const listed = there.slice(0, 20).map((text) => text.slice(0, 60)).join(", ") + (there.length > 20 ? ", …" : "");
  throw new MiniError(
    `${name} has no image for ${formatPlatform(wanted)}; ${
      listed === "" ? "it has none at all" : `it has ${listed.replace(/[^\x20-\x7e…]/g, "?")}`
    }`,
  );
}

/** Attestations and signatures stand in indexes beside the images; they are not to be run. */
function isAttachment({ platform, annotations, artifactType }: Descriptor): boolean {
  return artifactType !== undefined || annotations?.["vnd.docker.reference.type"] !== undefined ||
    platform?.os === "unknown";
}
