/** Programs of this machine that mini has to run without root, where nobody else can put one in their place. */

/** The path of a program, in the folders that root alone can write; undefined if it is not here. */
export function findProgram(program: string): string | undefined {
  return ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin"].map((folder) => `${folder}/${program}`).find(
    (path) => {
      try {
        return Deno.statSync(path).isFile;
      } catch {
        return false;
      }
    },
  );
}
