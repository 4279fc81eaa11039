/** What a container in the background reads from and writes to: names in its state folder. */
export const STREAMS = {
  stdin: "stdin",
  stdout: "stdout",
  stderr: "stderr",
  /** Whoever reads the output holds its lock. */
  reader: "logs.lock",
  /** What was printed when nobody read, written by the shim. */
  tails: { stdout: "tail.stdout", stderr: "tail.stderr" },
} as const;
