/** What an ordinary user does with mini: all of the daily commands, without root. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertRefused, needsProgram } from "./harness.ts";
import { FIRST_ID, NO_NAMESPACES, USER, userTest } from "./rootless_harness.ts";

const newuidmap = needsProgram("newuidmap");
/** Everything that is said, after making sure that it succeeded. */
function ok({ status, stdout, stderr }: { status: number; stdout: string; stderr: string }): string {
  assertEquals(status, 0, stderr);
  return stdout;
}

userTest("a user without any ids but its own is root in a container, and nobody else", async ({ mini, home }) => {
  const options = { ids: false };
  assertEquals(ok(await mini(["run", "--rm", "starter", "id", "-u"], options)), "0\n");
  const map = ok(await mini(["run", "--rm", "starter", "cat", "/proc/self/uid_map"], options));
  assertEquals(map.trim().split(/\s+/), ["0", `${USER}`, "1"]);
  assertRefused(await mini(["run", "--rm", "-u", "5", "starter", "true"], options), 125, "user 5", "ids");
  ok(await mini(["run", "--rm", "-v", `${home}:/h`, "starter", "touch", "/h/made"], options));
  assertEquals(Deno.statSync(`${home}/made`).uid, USER);
});

userTest("a user with ids can be others in a container, whose files are of those ids", async ({ mini, home }) => {
  const map = ok(await mini(["run", "--rm", "starter", "cat", "/proc/self/uid_map"]));
  assertEquals(map.trim().split(/\s+/), ["0", `${USER}`, "1", "1", `${FIRST_ID}`, "65536"]);
  Deno.chmodSync(home, 0o777);
  ok(await mini(["run", "--rm", "-u", "33:33", "-v", `${home}:/h`, "starter", "touch", "/h/made"]));
  assertEquals(Deno.statSync(`${home}/made`).uid, FIRST_ID + 32);
  assertRefused(await mini(["run", "--rm", "-u", "70000", "starter", "true"]), 125, "70000", "system check");
}, [newuidmap]);

userTest("the layers of a user's container are stacked by the kernel's own overlay", async ({ mini, home }) => {
  const mounts = ok(await mini(["run", "--rm", "starter", "cat", "/proc/mounts"]));
  assertMatch(mounts, /^\S+ \/ overlay /m);
  assertEquals([...Deno.readDirSync(`${home}/.local/share/mini/containers`)].map(({ name }) => name), []);
});

userTest("a container of a user in the background: every daily command finds it", async ({ script, home }) => {
  const said = ok(
    await script(`
      id=$($mini run -d --name web --init starter sh -c 'echo one; trap "exit 3" TERM; while :; do sleep 0.05; done')
      $mini ps -q --no-trunc | grep -qx $id
      $mini exec web sh -c 'echo two > /made; id -u'
      $mini top web | grep -q 'sleep'
      $mini stats --no-stream web | grep -q web
      $mini diff web
      echo copied > file; $mini cp file web:/tmp/in; $mini cp web:/tmp/in out; cat out
      $mini logs web
      $mini commit web mine >/dev/null
      $mini export web | tar -t | grep -x made
      $mini stop web; $mini wait web
      $mini start web; $mini restart web; $mini kill web; $mini rm -f web
      $mini run --rm mine cat /made
      $mini events --since 1h --until 0s | grep -c 'container start'`),
  );
  assertEquals(
    said,
    "0\nA /made\ncopied\none\nmade\nweb\n3\nweb\nweb\nweb\nweb\ntwo\n4\n",
  );
  assertEquals([...Deno.readDirSync(`${home}/.local/share/mini/containers`)].map(({ name }) => name), []);
});

userTest("a user's images: saved, loaded, imported, removed", async ({ script }) => {
  const said = ok(
    await script(`
      $mini run --rm starter true
      $mini tag starter mine
      $mini save -o saved.tar mine
      $mini rmi mine > /dev/null
      $mini load -i saved.tar
      $mini run --rm mine echo loaded
      $mini create --name made mine true > /dev/null; $mini export -o root.tar made; $mini rm made
      $mini import root.tar imported > /dev/null
      $mini run --rm imported echo imported
      $mini rmi imported mine > /dev/null
      $mini images -q | wc -l
      $mini system df > /dev/null; $mini system prune -f > /dev/null`),
  );
  assertEquals(said.replaceAll(/ +/g, ""), "Loadedimage:mine:latest\nloaded\nmade\nimported\n1\n".replaceAll(" ", ""));
});

userTest("a user's volumes: named, of folders, and in memory", async ({ script }) => {
  const said = ok(
    await script(`
      $mini volume create data
      mkdir mine
      $mini run --rm -v data:/d -v $HOME/mine:/m -v $HOME/mine:/r:ro --tmpfs /t starter sh -c \\
        'echo 1 > /d/x; echo 2 > /m/y; echo 3 > /t/z; cat /r/y; ! touch /r/no 2>/dev/null'
      $mini run --rm -v data:/d starter cat /d/x
      cat mine/y
      $mini volume rm data
      $mini volume ls -q`),
  );
  assertEquals(said, "data\n2\n1\n2\ndata\n");
});

userTest("many first commands at the same time: each finds its way", async ({ script }) => {
  const said = ok(
    await script(`
      for i in 1 2 3 4; do $mini run --rm starter echo $i > said$i & done
      wait; cat said1 said2 said3 said4; $mini ps -aq`),
  );
  assertEquals(said, "1\n2\n3\n4\n");
});

userTest("containers of two commands that began at once can all be entered later", async ({ script }) => {
  const said = ok(
    await script(`
      $mini run -d --name first starter sleep 1000 > /dev/null & $mini run -d --name second starter sleep 1000 > /dev/null
      wait
      $mini exec first echo a; $mini exec second echo b
      $mini rm -f first second`),
  );
  assertEquals(said, "a\nb\nfirst\nsecond\n");
});

userTest("without user namespaces there is one sentence, and nothing is left", async ({ mini, home }) => {
  const refused = await mini(["run", "--rm", "starter", "true"], { prepare: NO_NAMESPACES });
  assertRefused(refused, 125, "user namespaces", "mini system check");
  assertEquals(Array.from(Deno.readDirSync(home)), []);
  const check = await mini(["system", "check"], { prepare: NO_NAMESPACES });
  assertEquals([check.status, check.stderr], [1, ""]);
  assertMatch(check.stdout, /^user namespaces +missing +user.max_user_namespaces=0 /m);
  assertMatch(check.stdout, /^ +user namespaces +sudo sysctl user.max_user_namespaces=/m);
});

userTest("system check tells a user what there is, and clears what was left", async ({ mini, script, run }) => {
  const { status, stdout, stderr } = await mini(["system", "check"]);
  assertEquals([status, stderr], [0, ""]);
  assertMatch(stdout, /^CHECK +STATE +WHAT IT MEANS\n/);
  assertMatch(stdout, /^ids +works +65536 /m);
  assertMatch(stdout, /\nnothing was left behind\n$/);
  const without = await mini(["system", "check", "--format", "json"], { ids: false });
  const rows = without.stdout.trim().split("\n").map((line) => JSON.parse(line));
  const ids = rows.find(({ Name }) => Name === "ids");
  assertEquals([ids.State, ids.Needed], ["limited", "false"]);
  assertMatch(ids.Mend, /^sudo usermod /);
  // One whose command was killed.
  await script(`
    $mini run --name gone starter sleep 1000 &
    until $mini ps -q --filter name=gone | grep -q .; do sleep 0.05; done
    kill -9 $!`);
  assertMatch((await mini(["system", "check"])).stdout, /\ncleared [0-9a-f]{12}\n$/);
  assertEquals(Array.from(Deno.readDirSync(`${run}/mini/containers`), ({ name }) => name), []);
  ok(await mini(["rm", "gone"]));
});

userTest("a home that cannot be written is one sentence", async ({ mini, home }) => {
  Deno.chownSync(home, 0, 0);
  const refused = await mini(["run", "--rm", "starter", "true"]);
  assertRefused(refused, 125, "--root");
  assertRefused(await mini(["ps"], { env: { HOME: "" } }), 1, "set HOME");
});

userTest("without XDG_RUNTIME_DIR, or with one that is gone, mini keeps what runs in /tmp", async ({ mini, run }) => {
  assertEquals(ok(await mini(["run", "--rm", "starter", "echo", "x"], { env: { XDG_RUNTIME_DIR: "" } })), "x\n");
  Deno.removeSync(`/tmp/mini-${USER}`, { recursive: true });
  assertEquals(
    ok(await mini(["run", "--rm", "starter", "echo", "x"], { env: { XDG_RUNTIME_DIR: `${run}/gone` } })),
    "x\n",
  );
});

userTest("what a user cannot have is refused in a sentence", async ({ mini }) => {
  assertRefused(await mini(["network", "create", "mine"]), 1, "root");
  assertRefused(await mini(["run", "--rm", "--network", "mine", "starter", "true"]), 125, "root");
  assertRefused(await mini(["run", "--rm", "--ip", "10.1.2.3", "--network", "bridge", "starter", "true"]), 125, "root");
  assertRefused(await mini(["run", "--rm", "--userns", "auto", "starter", "true"]), 125, "--userns auto", "root");
  assertRefused(await mini(["run", "--rm", "--device", "/dev/nosuch", "starter", "true"]), 125, "/dev/nosuch");
  const device = await mini([
    "run",
    "--rm",
    "--device",
    "/dev/zero:/dev/given",
    "starter",
    "head",
    "-c1",
    "/dev/given",
  ]);
  assertEquals([device.status, device.stdout], [0, "\0"], device.stderr);
});

userTest("without a cgroup of one's own limits and pause are refused, and nothing else", async ({ mini, script }) => {
  assertRefused(await mini(["run", "--rm", "-m", "64m", "starter", "true"]), 125, "limits", "Delegate=yes");
  assertRefused(await mini(["run", "--rm", "--pids-limit", "9", "starter", "true"]), 125, "limits", "Delegate=yes");
  const paused = await script(
    "$mini run -d --name web starter sleep 1000 >/dev/null; ! $mini pause web; $mini rm -f web",
  );
  assertEquals([paused.status, paused.stdout], [0, "web\n"]);
  assertMatch(paused.stderr, /^mini: [^\n]+ cannot be paused\n$/);
});
