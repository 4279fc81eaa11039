/** Whether something is there, a symbolic link to nowhere too. @throws {Deno.errors} when that cannot be found out. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
