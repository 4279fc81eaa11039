/** `mini diff`: added, changed, deleted. */
import { assert, assertEquals } from "@std/assert";
import { assertRefused, type Context, miniTest, type Output } from "./harness.ts";

const ok = ({ status, stdout, stderr }: Output) => {
  assertEquals([status, stderr], [0, ""], stdout);
  return stdout;
};
const lines = (text: string) => text.split("\n").filter(Boolean);

/** An image with some files to be changed, `base`, made by `mini` itself. */
async function makeBase({ mini, folder }: Context): Promise<void> {
  const script =
    `mkdir -p /d/deep/er /gone/sub /new /touched; cd /d; echo 1 > one; echo 2 > two; echo 3 > deep/er/three;
    ln -s one link; echo x > /gone/sub/x; echo a > /new/a; echo b > /new/b; mkdir /new/sub; echo c > /new/sub/c; echo t > /to-folder; mkdir /to-file`;
  ok(await mini(["run", "--name", "made", "starter", "sh", "-c", script]));
  ok(await mini(["export", "-o", `${folder}/base.tar`, "made"]));
  ok(await mini(["import", `${folder}/base.tar`, "base"]));
  ok(await mini(["rm", "made"]));
}

miniTest("a container that has changed nothing has no changes, whatever is mounted in it", async (context) => {
  const { mini } = context;
  ok(await mini(["run", "--name", "web", "starter", "true"]));
  assertEquals(ok(await mini(["diff", "web"])), "");
  await mini(["rm", "web"]);
});

for (const isRunning of [true, false]) {
  miniTest(`every kind of change is told, with the folders that it is in (running: ${isRunning})`, async (context) => {
    const { mini, folder } = context;
    await makeBase(context);
    const script = `
      echo more >> /d/one; rm /d/two; chmod 600 /d/deep/er/three; rm /d/link; ln -s two /d/link; rm -r /gone
      rm -r /new; mkdir /new; echo b > /new/b; mkdir /new/sub; echo d > /new/d; chown 5 /touched
      rm /to-folder; mkdir /to-folder; echo in > /to-folder/in; rmdir /to-file; echo f > /to-file
      mkdir -p /add/ed; echo x > /add/ed/x; mkfifo /add/fifo; echo h > /etc/hosts; touch /vol/on-the-host; echo s > /dev/shm/s
      touch "/$(printf 'new\\nline')"; touch /ready`;
    const program = isRunning ? ["-d"] : [];
    const out = await mini([
      "run",
      ...program,
      ...["--name", "web", "-v", `${folder}:/vol`, "base", "sh", "-c", script + (isRunning ? "; sleep 1000" : "")],
    ]);
    assertEquals(out.status, 0, out.stderr);
    for (let i = 0; isRunning && (await mini(["exec", "web", "ls", "/ready"])).status !== 0; i++) assert(i < 100);
    assertEquals(lines(ok(await mini(["diff", "web"]))), [
      ...["A /add", "A /add/ed", "A /add/ed/x", "A /add/fifo"],
      ...["C /d", "C /d/deep", "C /d/deep/er", "C /d/deep/er/three", "C /d/link", "C /d/one", "D /d/two"],
      "D /gone",
      "C /new",
      "A /new\\x0aline",
      ...["D /new/a", "C /new/b", "A /new/d", "C /new/sub", "D /new/sub/c"],
      "A /ready",
      "C /to-file",
      ...["C /to-folder", "A /to-folder/in"],
      "C /touched",
      "A /vol",
    ]);
    await mini(["rm", "-f", "web"]);
  });
}

miniTest("a container without an image, and one that is not there, are refused", async ({ mini, folder, inside }) => {
  Deno.mkdirSync(`${folder}/rootfs/bin`, { recursive: true });
  await inside("cp /bin/busybox /v/sh", "-v", `${folder}/rootfs/bin:/v`);
  ok(await mini(["run", "--name", "web", "--rootfs", `${folder}/rootfs`, "sh", "-c", ":"]));
  assertRefused(await mini(["diff", "web"]), 1, "no image but the folder", `${folder}/rootfs`);
  assertRefused(await mini(["commit", "web"]), 1, "no image but the folder", "mini export");
  assertRefused(await mini(["diff", "nobody"]), 1, "No such container: nobody");
  await mini(["rm", "web"]);
});
