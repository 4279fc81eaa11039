/** The folder for what runs where there is no XDG_RUNTIME_DIR: in /tmp, where everybody can make one of that name first. */
import { MiniError } from "../../ffi/errors.ts";

/** Where it is. */
export const temporaryState = (uid: string | number): string => `/tmp/mini-${uid}`;

/**
 * Makes it the user's own before anything in it is read or written. In a folder with the sticky bit nobody else can take it away then.
 *
 * @param uid whose it is to be. @throws {MiniError} when it is somebody else's, who could read and change all that mini writes there.
 */
export function claimState(state: string, uid: number): void {
  if (state !== temporaryState(uid)) return;
  try {
    Deno.mkdirSync(state, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const { isDirectory, uid: owner, mode } = Deno.lstatSync(state);
  if (!isDirectory || owner !== uid) {
    throw new MiniError(
      `${state}, where mini would keep what runs, is ${
        isDirectory ? "another user's" : "no folder"
      }: set XDG_RUNTIME_DIR to a folder of your own, or say where with --state`,
    );
  }
  if (mode! & 0o077) Deno.chmodSync(state, 0o700);
}
