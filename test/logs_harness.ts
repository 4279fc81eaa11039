/** What the tests of `logs` and `attach` share: containers in the background, removed at a test's end. */
import { assertEquals } from "@std/assert";
import { type Context, miniTest, type Output, until } from "./harness.ts";

/** The standard output of a command that succeeded and said nothing else. */
export const ok = ({ status, stdout, stderr }: Output) => {
  assertEquals([status, stderr], [0, ""]);
  return stdout;
};

/** `mini run -d --name NAME starter sh -c SCRIPT`. */
export const runDetached = async ({ mini }: Context, name: string, script: string, ...flags: string[]) =>
  ok(await mini(["run", "-d", "--name", name, ...flags, "starter", "sh", "-c", script])).trim();

/** A test that removes its containers at its end. */
export const logsTest = (name: string, body: (context: Context) => Promise<void>) =>
  miniTest(name, async (context) => {
    await body(context);
    const ids = ok(await context.mini(["ps", "-aq"])).split("\n").filter(Boolean);
    if (ids.length > 0) ok(await context.mini(["rm", "-f", ...ids]));
  });

/** Writes to a container's standard input. */
export const type = async ({ mini, state }: Context, name: string, text: string) => {
  const id = ok(await mini(["inspect", "-f", "{{.Id}}", name])).trim();
  Deno.writeTextFileSync(`${state}/containers/${id}/stdin`, text);
};

export const ended = async ({ mini }: Context, name: string) =>
  await until(`${name} ends`, async () => {
    const { stdout } = await mini(["inspect", "-f", "{{.State.Status}}", name]);
    return stdout === "exited\n";
  });
