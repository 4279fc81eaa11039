/** Why a program could not be executed, with the words by which engines tell the reasons apart. */
import { MiniError } from "../../ffi/errors.ts";

const NOT_FOUND = 127, NOT_EXECUTABLE = 126;

/** What execve(2), or the search for a program, is known to say. */
function engineWords({ message, exitStatus }: MiniError): string | undefined {
  if (exitStatus === NOT_FOUND) {
    return message.includes("PATH") ? "executable file not found in $PATH" : "no such file or directory";
  }
  if (exitStatus !== NOT_EXECUTABLE) return undefined;
  if (/is not in the container/.test(message)) return "no such file or directory";
  return /permission|folder|regular file/.test(message) ? "permission denied" : "exec format error";
}

/** Gives an error those words, if it is about a program. */
export function withEngineWords(error: unknown): unknown {
  const words = error instanceof MiniError ? engineWords(error) : undefined;
  if (words === undefined || !(error instanceof MiniError) || error.message.includes(words)) return error;
  return new MiniError(`${error.message} (${words})`, error.exitStatus, { cause: error });
}
