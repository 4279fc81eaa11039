/** Reading an answer's body with a bound on its size. */
import { RegistryError } from "./registry_error.ts";

/**
 * Reads a body that must not be larger than `most` bytes.
 *
 * @param what names the sender in the sentence that refuses a larger one.
 */
export async function readBytes(response: Response, most: number, what: string): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > most) throw new RegistryError(`${what} sends more than ${most} bytes`); // leaving the loop cancels it
    chunks.push(chunk.slice()); // the next one comes in the same buffer
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** The same as text; bytes that are not UTF-8 become replacement characters. */
export async function readText(response: Response, most: number, what: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(response, most, what));
}
