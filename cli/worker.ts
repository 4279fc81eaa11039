/** What the program does in a worker, which it starts under a name of its own. */

/** Does the work that the worker's name stands for. */
export async function work(name: string): Promise<void> {
  const { serve, WORKER_NAME } = await import("../images/pull_worker.ts");
  if (name !== WORKER_NAME) throw new Error(`there is no worker ${name}`);
  serve();
}
