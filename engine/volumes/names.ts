/** Names of volumes. */
import { MiniError } from "../../ffi/errors.ts";

/** @param what where it was given, for the message. @throws {MiniError} for a name that Docker would refuse too. */
export function checkVolumeName(name: string, what?: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name) && name.length <= 255) return;
  throw new MiniError(
    `${what ? `${what}: ` : ""}${
      JSON.stringify(name)
    } is not a name for a volume: use letters, digits, "_", "." and "-", beginning with a letter or digit, two at least`,
  );
}
