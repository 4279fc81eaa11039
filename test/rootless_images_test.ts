/** Images and terminals of an ordinary user. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertRefused, needsProgram } from "./harness.ts";
import { Terminal } from "./pty.ts";
import { fakeRegistry, tarOf } from "./registry/fake.ts";
import { userTest } from "./rootless_harness.ts";

/** Where this machine keeps what a program is linked with. */
function needsFolder(path: string): string | undefined {
  try {
    return Deno.statSync(path).isDirectory ? undefined : `${path} is no folder here`;
  } catch {
    return `no ${path} here`;
  }
}

userTest("a user pulls from a registry, and runs what came", async ({ mini, script }) => {
  await using registry = fakeRegistry();
  await registry.image("new", [tarOf({ "etc/hello": "hello\n" })]);
  const name = `${registry.host}/things/hello:new`;
  for (const ids of [true, false]) {
    const pulled = await mini(["pull", "-q", name], { ids });
    assertEquals([pulled.status, pulled.stdout], [0, `${name}\n`], pulled.stderr);
    const said = await script(
      `$mini create --name made ${name} /none > /dev/null; $mini cp made:/etc/hello - | tar -xO; $mini rm made; $mini rmi ${name} > /dev/null`,
      { ids },
    );
    assertEquals(said.stdout, "hello\nmade\n", said.stderr);
  }
});

userTest("images with ids beyond a user's, with devices, with others' files", async ({ script, mini }) => {
  const prepare = `
    cd $folder; mkdir -p tree/dev tree/kept; echo x > tree/file
    [ -e tree/dev/odd ] || mknod tree/dev/odd c 1 3
    chown 70000 tree/kept; tar -cf far.tar -C tree .; chown 33:33 tree/kept; tar -cf near.tar -C tree .; chmod 644 *.tar`;
  assertEquals((await script("true", { prepare })).stderr, "");
  assertRefused(await mini(["import", "../far.tar", "far"]), 1, "user 70000", "/etc/subuid");
  assertEquals((await mini(["images", "-q"])).stdout, "");
  const owners = async (ids: boolean) => {
    const { status, stderr } = await mini(["import", "../near.tar", "near"], { ids });
    assertEquals([status, stderr], [0, ""]);
    const out = await script(
      `$mini create --name made near /none > /dev/null; $mini export made | tar -tv --numeric-owner | grep -E 'kept|odd' || true
       $mini rm made > /dev/null; $mini rmi near > /dev/null`,
      { ids },
    );
    return out.stdout;
  };
  assertMatch(await owners(true), /^drwxr-xr-x 33\/33 [^\n]* (\.\/)?kept\/\n$/);
  assertMatch(await owners(false), /^drwxr-xr-x 0\/0 [^\n]* (\.\/)?kept\/\n$/);
}, [needsProgram("newuidmap"), needsProgram("tar")]);

userTest("a user has a terminal in a container, and attaches to one", async ({ command, mini }) => {
  await using terminal = new Terminal(30, 100);
  const before = terminal.settings();
  const session = terminal.start(command(["run", "-it", "--rm", "starter", "sh"]));
  await terminal.shows(/\/ # /);
  await terminal.ask("tty; stty size\r", /\n\/dev\/pts\/0\r\n30 100\r\n/);
  await terminal.type("exit 4\r");
  assertEquals(await session.status, 4, terminal.text());
  assertEquals(terminal.settings(), before);
  assertEquals((await mini(["run", "-dit", "--name", "shell", "starter", "sh"])).status, 0);
  await using second = new Terminal(30, 100);
  const attached = second.start(command(["attach", "shell"]));
  await second.type("echo here$((1+1))\r");
  await second.shows(/here2/);
  await second.type("exit 5\r");
  assertEquals(await attached.status, 5, second.text());
  assertEquals((await mini(["rm", "shell"])).status, 0);
});

userTest("a container of a user's container: mini in mini", async ({ script, folder }) => {
  const { status, stdout, stderr } = await script(
    `$mini run --rm --privileged -v ${folder}/mini:/usr/bin/mini:ro -v /lib:/lib:ro -v /lib64:/lib64:ro -v /usr/lib:/usr/lib:ro \\
       --tmpfs /var/lib/mini -e MINI_CONFIG=/mini.json -v $MINI_CONFIG:/mini.json:ro starter \\
       mini run --rm starter echo nested`,
  );
  assertEquals([status, stdout], [0, "nested\n"], stderr);
}, [needsFolder("/lib64")]);
