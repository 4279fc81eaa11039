/** `mini oci features`: OCI runtime-spec, features.md. */
import { features } from "../../engine/oci/features.ts";
import { write } from "../output.ts";
import { VERSION } from "../version.ts";

export default function (): number {
  write(`${JSON.stringify(features(VERSION), null, 2)}\n`);
  return 0;
}
