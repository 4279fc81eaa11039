/**
 * Writes runtime/seccomp_precompiled.ts: the filters of the default profile with the default capabilities, which nearly every
 * container has. To be run after a change of the profile or the compiler; a test says so when it has been forgotten.
 *
 *     deno run -A tools/precompile_seccomp.ts
 */
import { DEFAULT_CAPABILITIES } from "../runtime/capabilities.ts";
import { compileSeccomp } from "../runtime/seccomp.ts";
import { defaultSeccomp } from "../runtime/seccomp_default.ts";

/** The file's content. */
export function precompiledModule(): string {
  const entries = (["x86_64", "aarch64"] as const).map((architecture) => {
    const { bytes } = compileSeccomp(defaultSeccomp(DEFAULT_CAPABILITIES, architecture), { architecture });
    const text = btoa(String.fromCharCode(...bytes));
    return `  ${architecture}:\n    ${text.match(/.{1,108}/g)!.map((line) => `"${line}"`).join(" +\n    ")},\n`;
  });
  return `/** Made by tools/precompile_seccomp.ts: the default profile's filters with the default capabilities, in base64. */\n` +
    `export const PRECOMPILED = {\n${entries.join("")}} as const;\n`;
}

if (import.meta.main) {
  Deno.writeTextFileSync(new URL("../runtime/seccomp_precompiled.ts", import.meta.url), precompiledModule());
}
