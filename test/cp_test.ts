/** `mini cp`: Docker's rules of what goes where, out of and into containers that run and that do not. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertRefused, type Context, miniTest, needsIdmaps, type Output, runCommand } from "./harness.ts";
import { Terminal } from "./pty.ts";

const ok = ({ status, stdout, stderr }: Output) => {
  assertEquals([status, stderr], [0, ""], stdout);
  return stdout;
};

/** Makes a container called `web` whose program has run `script`, and that goes on running or not. */
async function makeWeb({ mini }: Context, isRunning: boolean, script: string, ...flags: string[]): Promise<void> {
  ok(
    await mini(["run", "-d", "--name", "web", ...flags, "starter", "sh", "-c", `${script}; touch /ready; sleep 1000`]),
  );
  for (let i = 0; (await mini(["exec", "web", "ls", "/ready"])).status !== 0; i++) assert(i < 100, "not ready");
  if (!isRunning) ok(await mini(["kill", "web"]));
  if (!isRunning) await mini(["wait", "web"]);
}

/** What a script prints that looks into `web`, run by a container of the same files. */
async function inWeb({ mini, folder }: Context, isRunning: boolean, script: string): Promise<string> {
  if (isRunning) return ok(await mini(["exec", "web", "sh", "-c", script]));
  ok(await mini(["export", "-o", `${folder}/look.tar`, "web"]));
  ok(await mini(["import", `${folder}/look.tar`, "look"]));
  return ok(await mini(["run", "--rm", "look", "sh", "-c", script]));
}

const read = (path: string) => Deno.readTextFileSync(path);
const list = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

for (const isRunning of [true, false]) {
  const which = isRunning ? "a container that runs" : "a container that does not run";

  miniTest(`out of ${which}, files and folders go where Docker puts them`, async (context) => {
    const { mini, folder } = context;
    await makeWeb(context, isRunning, "mkdir -p /d/sub; echo one > /d/one; echo two > /d/sub/two");
    const cp = async (from: string, to: string) => ok(await mini(["cp", from, to], { cwd: folder }));
    const at = (path: string) => `${folder}/${path}`;
    // A file: to a new name, onto a file, into a folder.
    await cp("web:/d/one", "new");
    assertEquals(read(at("new")), "one\n");
    await cp("web:d/sub/two", "new");
    assertEquals(read(at("new")), "two\n");
    Deno.mkdirSync(at("dir"));
    await cp("web:/d/one", "dir");
    await cp("web:/d/sub/two", "dir/");
    assertEquals(list(at("dir")), ["one", "two"]);
    // A folder: becomes a new one, goes into one that is there, or only what it holds does.
    await cp("web:/d", "copy");
    assertEquals([list(at("copy")), read(at("copy/sub/two"))], [["one", "sub"], "two\n"]);
    await cp("web:/d/", "dir");
    assertEquals(list(at("dir/d")), ["one", "sub"]);
    Deno.mkdirSync(at("held"), { mode: 0o750 });
    await cp("web:/d/.", "held");
    assertEquals(list(at("held")), ["one", "sub"]);
    assertEquals(Deno.statSync(at("held")).mode! & 0o777, 0o750, "a folder that was there keeps its mode");
    await cp("web:/d/.", "fresh");
    assertEquals(list(at("fresh")), ["one", "sub"]);
    await cp("web:/d/sub/..", "named/".slice(0, -1));
    assertEquals(list(at("named")), ["one", "sub"]);
    // A name with a colon.
    await cp("web:/d/one", "./a:b");
    assertEquals(read(at("a:b")), "one\n");
    // The whole root.
    assertEquals((await mini(["cp", "web:/", at("all")])).status, 0); // without its devices, which is told
    assert(list(at("all")).includes("bin"));
    assertEquals(list(at("all/proc")), [], "what the kernel shows in /proc is no file");
    await mini(["rm", "-f", "web"]);
  });

  miniTest(`into ${which}, files and folders go where Docker puts them`, async (context) => {
    const { mini, folder } = context;
    await makeWeb(context, isRunning, "mkdir /in /held; chmod 711 /held; ln -s /in /link; ln -s /in/later /dangling");
    Deno.mkdirSync(`${folder}/d/sub`, { recursive: true });
    Deno.writeTextFileSync(`${folder}/d/one`, "one\n");
    Deno.writeTextFileSync(`${folder}/d/sub/two`, "two\n");
    Deno.chownSync(`${folder}/d/one`, 1234, 1234);
    const cp = async (from: string, to: string, ...flags: string[]) =>
      ok(await mini(["cp", ...flags, from, to], { cwd: folder }));
    await cp("d/one", "web:/new");
    await cp("d/sub/two", "web:/in");
    await cp("d/one", "web:/link/linked");
    await cp("d/one", "web:/link");
    await cp("d/one", "web:dangling");
    await cp("d", "web:/copy");
    await cp("d", "web:/in/");
    await cp("d/.", "web:/held");
    await cp("d/sub/two", "web:/copy/one");
    await cp("d/one", "web:/mine", "-a");
    const found = await inWeb(
      context,
      isRunning,
      "cd /; stat -c '%n %u %a' new mine held; find in held copy | sort; cat new in/later copy/one; readlink link; readlink dangling",
    );
    assertEquals(found.trim().split("\n"), [
      "new 0 644",
      "mine 1234 644",
      "held 0 711",
      ...["copy", "copy/one", "copy/sub", "copy/sub/two"],
      ...["held", "held/one", "held/sub", "held/sub/two"],
      ...["in", "in/d", "in/d/one", "in/d/sub", "in/d/sub/two", "in/later", "in/linked", "in/one", "in/two"],
      "one",
      "one",
      "two",
      "/in",
      "/in/later",
    ]);
    await mini(["rm", "-f", "web"]);
    await mini(["rmi", "look"]);
  });

  miniTest(`every kind of file survives its way into ${which} and out again`, async (context) => {
    const { mini, folder } = context;
    await makeWeb(context, isRunning, ":");
    const from = `${folder}/from`;
    Deno.mkdirSync(`${from}/deep/er`, { recursive: true });
    const script = `
      set -e; cd "$1"
      echo text > file; chmod 4751 file; chown 12:34 file; touch -d '2001-02-03 04:05:06.789' file
      ln file hard; ln -s nowhere dangling; ln -s file good; mkfifo -m 640 fifo; mknod null c 1 3
      setfattr -n user.comment -v hello file
      truncate -s 3G holes; printf end >> holes; printf x > "$(printf 'new\\nline')"
      chmod 2750 deep; chown -h 5:6 dangling deep; touch -d '1999-01-01' deep/er deep
      setcap cap_net_raw+ep hard 2>/dev/null || true
      : > empty; printf '' > "$(printf 'not\\377utf8')"`;
    const { status, stderr } = await runCommand(["bash", "-c", script, "-", from]);
    assertEquals([status, stderr], [0, ""]);
    // The command is not to open what must not be opened: a FIFO would wait for ever.
    ok(await mini(["cp", "-a", from, "web:/tree"]));
    ok(await mini(["cp", "-a", "web:/tree", `${folder}/to`]));
    const describe = async (path: string) => {
      const { stdout, stderr } = await runCommand(["bash", "-c", DESCRIBE, "-", path]);
      assertEquals(stderr, "");
      return stdout;
    };
    assertEquals(await describe(`${folder}/to`), await describe(from));
    const { blocks } = Deno.statSync(`${folder}/to/holes`);
    assert(blocks! * 512 < 1_000_000, "holes stay holes");
    await mini(["rm", "-f", "web"]);
  });

  miniTest(`archives go into and out of ${which}`, async (context) => {
    const { mini, command, folder } = context;
    await makeWeb(context, isRunning, "mkdir -p /d/sub /in; echo one > /d/one; chown 7:8 /d/one; ln -s sub /d/link");
    const { stdout } = await runCommand(["sh", "-c", '"$@" cp web:/d - | tar -t', "sh", ...command]);
    assertEquals(stdout.trim().split("\n").sort(), ["d/", "d/link", "d/one", "d/sub/"]);
    const single = await runCommand(["sh", "-c", '"$@" cp web:/d/one - | tar -tv --numeric-owner', "sh", ...command]);
    assertMatch(single.stdout, /^-rw-r--r-- 7\/8 +4 \S+ \S+ one\n$/);
    const contents = await runCommand(["sh", "-c", '"$@" cp web:/d/. - | tar -t', "sh", ...command]);
    assertEquals(contents.stdout.trim().split("\n").sort(), ["./", "link", "one", "sub/"]);
    for (const compress of ["cat", "gzip", "zstd"]) {
      const script =
        `cd "$0" && mkdir -p tar/x && echo ${compress} > tar/x/${compress} && chown 3:4 tar/x/${compress} ` +
        `&& tar -C tar -c x | ${compress} | "$@" cp - web:/in`;
      assertEquals((await runCommand(["sh", "-c", script, folder, ...command])).stderr, "");
    }
    // Links that are there are the container's to follow.
    const through = 'mkdir -p "$0/t/link" && echo hi > "$0/t/link/f" && tar -C "$0/t" -c link/f | "$@" cp - web:/d';
    assertEquals((await runCommand(["sh", "-c", through, folder, ...command])).stderr, "");
    const found = await inWeb(
      context,
      isRunning,
      "cd /in/x; stat -c '%n %u:%g' *; cat *; cat /d/sub/f; readlink /d/link",
    );
    assertEquals(found, "cat 3:4\ngzip 3:4\nzstd 3:4\ncat\ngzip\nzstd\nhi\nsub\n");
    await mini(["rm", "-f", "web"]);
    await mini(["rmi", "look"]);
  });

  miniTest(`${which} shows its volumes to cp, and they take what is copied into them`, async (context) => {
    const { mini, folder } = context;
    Deno.mkdirSync(`${folder}/vol/sub`, { recursive: true });
    Deno.mkdirSync(`${folder}/fixed`);
    Deno.writeTextFileSync(`${folder}/vol/sub/inside`, "of the volume\n");
    Deno.writeTextFileSync(`${folder}/one`, "old\n");
    const flags = ["-v", `${folder}/vol:/a/vol`, "-v", `${folder}/fixed:/fixed:ro`, "-v", `${folder}/one:/etc/one`];
    await makeWeb(context, isRunning, ":", "--read-only=false", ...flags);
    ok(await mini(["cp", "web:/a", `${folder}/a`]));
    assertEquals(read(`${folder}/a/vol/sub/inside`), "of the volume\n");
    Deno.writeTextFileSync(`${folder}/new`, "new\n");
    ok(await mini(["cp", `${folder}/new`, "web:/a/vol/sub"]));
    assertEquals(read(`${folder}/vol/sub/new`), "new\n");
    // A file that is mounted cannot be replaced; it gets the content.
    const { ino } = Deno.statSync(`${folder}/one`);
    ok(await mini(["cp", `${folder}/new`, "web:/etc/one"]));
    assertEquals([read(`${folder}/one`), Deno.statSync(`${folder}/one`).ino], ["new\n", ino]);
    assertRefused(await mini(["cp", `${folder}/new`, "web:/fixed"]), 1, "web:/fixed", "volume", "read-only");
    assertEquals(list(`${folder}/fixed`), []);
    assertRefused(await mini(["cp", "web:/a/.", `${folder}/vol/sub`]), 1, "into itself");
    await mini(["rm", "-f", "web"]);
  });
}

/** Everything about the files below a folder that a copy has to keep, as lines. */
const DESCRIBE = `
  set -e; cd "$1"
  find . -printf '%p %y %m %U:%G %s %n %T@ %l\\n' | LC_ALL=C sort | sed -E 's/^(\\. .* )[0-9]+ [0-9]+ ([0-9.]+ )$/\\1\\2/;s/ d ([0-7]+ [0-9:]+) [0-9]+ / d \\1 /'
  stat -c '%n %t:%T' null; getfattr -d -m - file holes; getfattr -n security.capability hard 2>/dev/null || true
  cat file; tail -c 3 holes; [ file -ef hard ]`;

miniTest("a program's rights, and devices, come out of a container and into one only with -a", async (context) => {
  const { mini, folder } = context;
  await makeWeb(
    context,
    true,
    "mkdir /d; cp /bin/busybox /d/root; chmod 6755 /d/root",
  );
  // What a container may not make by itself, a host may give it.
  assertEquals((await runCommand(["mknod", "-m", "666", `${folder}/disk`, "b", "8", "0"])).status, 0);
  ok(await mini(["cp", `${folder}/disk`, "web:/d"]));
  const { stderr, status } = await mini(["cp", "web:/d", `${folder}/plain`]);
  assertEquals([status, stderr], [0, "mini: note: 1 device left out: they are copied with -a\n"]);
  assertEquals([list(`${folder}/plain`), Deno.statSync(`${folder}/plain/root`).mode! & 0o7777], [["root"], 0o755]);
  ok(await mini(["cp", "-a", "web:/d", `${folder}/all`]));
  assertEquals(Deno.statSync(`${folder}/all/root`).mode! & 0o7777, 0o6755);
  assert(Deno.statSync(`${folder}/all/disk`).isBlockDevice);
  Deno.chownSync(`${folder}/all/root`, 1000, 1000);
  Deno.chmodSync(`${folder}/all/root`, 0o4755);
  ok(await mini(["cp", `${folder}/all/root`, "web:/users"]));
  assertEquals(ok(await mini(["exec", "web", "stat", "-c", "%u %a", "/users"])), "0 755\n");
  await mini(["rm", "-f", "web"]);
});

miniTest("a link is copied as a link, and with -L as what it points to", async (context) => {
  const { mini, folder } = context;
  await makeWeb(context, true, "mkdir /d; echo text > /d/file; ln -s file /d/link; ln -s /d /all; ln -s / /d/root");
  const at = (path: string) => `${folder}/${path}`;
  ok(await mini(["cp", "web:/d/link", at("link")]));
  assertEquals(Deno.readLinkSync(at("link")), "file");
  ok(await mini(["cp", "-L", "web:/d/link", folder + "/followed"]));
  assertEquals(read(at("followed")), "text\n");
  Deno.mkdirSync(at("dir"));
  ok(await mini(["cp", "-L", "web:/all", at("dir")]));
  assertEquals(list(at("dir/all")), ["file", "link", "root"]);
  // With a slash it is the folder that it points to, under the link's name.
  ok(await mini(["cp", "web:/all/", at("dir/slash")]));
  assertEquals(list(at("dir/slash")), ["file", "link", "root"]);
  // Into the container.
  Deno.symlinkSync("dir", at("host-link"));
  ok(await mini(["cp", at("host-link"), "web:/as-link"]));
  ok(await mini(["cp", "-L", at("host-link"), "web:/as-folder"]));
  assertEquals(ok(await mini(["exec", "web", "sh", "-c", "readlink /as-link; ls /as-folder"])), "dir\nall\nslash\n");
  await mini(["rm", "-f", "web"]);
});

miniTest("files go from one container into another", async (context) => {
  const { mini } = context;
  await makeWeb(context, true, "mkdir /d; echo text > /d/file");
  ok(await mini(["create", "--name", "other", "starter", "cat", "/tmp/d/file"]));
  ok(await mini(["cp", "web:/d", "other:/tmp"]));
  assertEquals(ok(await mini(["start", "-a", "other"])), "text\n");
  await mini(["rm", "-f", "web", "other"]);
});

miniTest("what runs is seen as it sees itself: tmpfs, /proc and mounted files", async (context) => {
  const { mini, folder } = context;
  await makeWeb(context, true, "echo text > /dev/shm/file");
  ok(await mini(["cp", "web:/dev/shm/file", `${folder}/file`]));
  assertEquals(read(`${folder}/file`), "text\n");
  // A file of the kernel's says that it is empty.
  ok(await mini(["cp", "web:/proc/1/status", `${folder}/status`]));
  assertStringIncludes(read(`${folder}/status`), "\nPid:\t1\n");
  ok(await mini(["cp", "web:/etc/hostname", `${folder}/hostname`]));
  assertMatch(read(`${folder}/hostname`), /^[0-9a-f]{12}\n$/);
  ok(await mini(["cp", `${folder}/file`, "web:/dev/shm/again"]));
  assertEquals(ok(await mini(["exec", "web", "cat", "/dev/shm/again"])), "text\n");
  // It may be frozen.
  ok(await mini(["pause", "web"]));
  ok(await mini(["cp", `${folder}/file`, "web:/dev/shm/paused"]));
  ok(await mini(["unpause", "web"]));
  assertEquals(ok(await mini(["exec", "web", "cat", "/dev/shm/paused"])), "text\n");
  await mini(["rm", "-f", "web"]);
});

miniTest("a first process that has another root for itself does not change where cp looks", async (context) => {
  const { mini, folder } = context;
  const script =
    "mkdir -p /jail/bin; cp /bin/busybox /jail/bin; for i in sh sleep touch; do ln -s busybox /jail/bin/$i; done; " +
    "echo outside > /file; exec chroot /jail sh -c 'touch /ready; sleep 1000'";
  ok(await mini(["run", "-d", "--name", "web", "starter", "sh", "-c", script]));
  for (let i = 0; (await mini(["exec", "web", "ls", "/jail/ready"])).status !== 0; i++) assert(i < 100, "not ready");
  ok(await mini(["cp", "web:/file", `${folder}/file`]));
  assertEquals(read(`${folder}/file`), "outside\n");
  await mini(["rm", "-f", "web"]);
});

for (const isRunning of [true, false]) {
  miniTest(`volumes of every kind are where the container has them (running: ${isRunning})`, async (context) => {
    const { mini, folder, root } = context;
    Deno.mkdirSync(`${folder}/device/sub`, { recursive: true });
    const volume = async (name: string, ...options: string[]) =>
      ok(await mini(["volume", "create", ...options.flatMap((option) => ["-o", option]), name]));
    await volume("plain");
    await volume("bound", "type=none", "o=bind", `device=${folder}/device`);
    await volume("memory", "type=tmpfs", "device=tmpfs");
    const flags = ["-v", "plain:/plain", "-v", "memory:/memory", "--mount", "src=bound,dst=/sub,volume-subpath=sub"];
    await makeWeb(context, isRunning, "echo p > /plain/p; echo b > /sub/b; echo m > /memory/m", ...flags);
    for (const path of ["plain/p", "sub/b", ...isRunning ? ["memory/m"] : []]) {
      ok(await mini(["cp", `web:/${path}`, `${folder}/out`]));
      assertEquals(read(`${folder}/out`), `${path.at(-1)}\n`);
    }
    Deno.writeTextFileSync(`${folder}/in`, "in\n");
    for (const path of ["plain", "sub"]) ok(await mini(["cp", `${folder}/in`, `web:/${path}`]));
    assertEquals([read(`${folder}/device/sub/in`), read(`${root}/volumes/plain/data/in`)], ["in\n", "in\n"]);
    const memory = await mini(["cp", `${folder}/in`, "web:/memory"]);
    // Nobody has it any more, so that what is put there is in nobody's memory.
    if (isRunning) assertEquals(ok(await mini(["exec", "web", "cat", "/memory/in"])), ok(memory) + "in\n");
    else assertRefused(memory, 1, "web:/memory", "read-only");
    await mini(["rm", "-f", "web"]);
    ok(await mini(["volume", "rm", "plain", "bound", "memory"]));
  });
}

miniTest("in a user namespace the files have the container's own ids, both ways", async (context) => {
  const { mini, command, folder } = context;
  await makeWeb(context, true, "mkdir /d; echo x > /d/x; chown 5:6 /d/x", "--userns", "auto");
  Deno.writeTextFileSync(`${folder}/file`, "text");
  Deno.chownSync(`${folder}/file`, 7, 8);
  ok(await mini(["cp", `${folder}/file`, "web:/d/roots"]));
  ok(await mini(["cp", "-a", `${folder}/file`, "web:/d/own"]));
  const archive = await runCommand(["sh", "-c", 'tar -C "$0" -c file | "$@" cp - web:/d', folder, ...command]);
  assertEquals(archive.stderr, "");
  assertEquals(ok(await mini(["exec", "web", "sh", "-c", "cd /d; stat -c '%n %u:%g' *"])).trim().split("\n"), [
    "file 7:8",
    "own 7:8",
    "roots 0:0",
    "x 5:6",
  ]);
  ok(await mini(["cp", "-a", "web:/d", `${folder}/d`]));
  const owner = ({ uid, gid }: Deno.FileInfo) => [uid, gid];
  assertEquals(owner(Deno.statSync(`${folder}/d/x`)), [5, 6]);
  ok(await mini(["cp", "web:/d", `${folder}/mine`]));
  assertEquals(owner(Deno.statSync(`${folder}/mine/x`)), [Deno.uid(), Deno.gid()]);
  Deno.chownSync(`${folder}/file`, 100_000, 0);
  assertRefused(await mini(["cp", "-a", `${folder}/file`, "web:/d"]), 1, "user 100000", "user namespace", "without -a");
  await mini(["rm", "-f", "web"]);
}, [needsIdmaps()]);

for (const isRunning of [true, false]) {
  miniTest(`a read-only root refuses, volumes in it do not (running: ${isRunning})`, async (context) => {
    const { mini, folder } = context;
    Deno.mkdirSync(`${folder}/vol`);
    Deno.writeTextFileSync(`${folder}/file`, "text\n");
    const args = ["--read-only", "-v", `${folder}/vol:/mnt`, "--name", "web", "starter", "sleep", "1000"];
    ok(await mini(isRunning ? ["run", "-d", ...args] : ["create", ...args]));
    assertRefused(await mini(["cp", `${folder}/file`, "web:/etc"]), 1, "web:/etc", "root file system", "read-only");
    ok(await mini(["cp", `${folder}/file`, "web:/mnt"]));
    assertEquals(list(`${folder}/vol`), ["file"]);
    ok(await mini(["cp", "web:/mnt/file", `${folder}/back`]));
    await mini(["rm", "-f", "web"]);
  });
}

miniTest(
  "a container that has never run can be filled before it does, and two commands at once do not meet",
  async (context) => {
    const { mini, folder } = context;
    ok(await mini(["create", "--name", "web", "starter", "sh", "-c", "cat /f?"]));
    for (const i of [1, 2, 3, 4]) Deno.writeTextFileSync(`${folder}/f${i}`, `${i}\n`);
    const copies = await Promise.all([1, 2, 3, 4].map((i) => mini(["cp", `${folder}/f${i}`, "web:/"])));
    copies.forEach(ok);
    assertEquals(ok(await mini(["start", "-a", "web"])), "1\n2\n3\n4\n");
    await mini(["rm", "web"]);
  },
);

miniTest("what cannot be copied is refused with one sentence, and changes nothing", async (context) => {
  const { mini, folder } = context;
  await makeWeb(context, true, "mkdir -p /d /tree/file; echo text > /file; ln -s a /b; ln -s b /a");
  Deno.mkdirSync(`${folder}/tree`);
  Deno.writeTextFileSync(`${folder}/tree/file`, "host's\n");
  const at = (path: string) => `${folder}/${path}`;
  const refuse = async (args: string[], ...words: string[]) => assertRefused(await mini(["cp", ...args]), 1, ...words);
  await refuse(["a", "b"], "neither", "CONTAINER:PATH");
  await refuse(["nobody:/x", at("x")], "No such container: nobody");
  await refuse([":/x", at("x")], "CONTAINER:PATH");
  await refuse(["web:", at("x")], "CONTAINER:PATH");
  await refuse(["web:/none", at("x")], "there is no web:/none");
  await refuse(["web:/file/below", at("x")], "web:/file/below", "no folder");
  await refuse(["web:/file/", at("x")], "web:/file/", "no folder");
  await refuse(["web:/a", "-L", at("x")], "web:/a", "links");
  await refuse(["web:/file", at("no/such/x")], `there is no ${at("no/such")}`);
  await refuse(["web:/file", at("new/")], at("new/"), "make it");
  await refuse(["web:/d", at("tree/file")], "onto the file", at("tree/file"));
  await refuse(["web:/file", "/dev/null"], "/dev/null", "neither a folder nor a regular file");
  await refuse(["web:/tree/.", at("tree")], "file is not a folder there");
  await refuse([at("none"), "web:/x"], `there is no ${at("none")}`);
  await refuse([at("tree"), "web:/file"], "onto the file");
  await refuse([at("tree/file"), "web:/new/"], "web:/new/", "make it");
  await refuse([at("tree/."), "web:/tree"], "file is a folder there");
  await refuse([at("tree/file"), "web:/none/x"], "there is no web:/none");
  await refuse([at("tree/file"), "web:/dev/null"], "web:/dev/null", "neither");
  await refuse([at("tree/file"), "web:/proc/1/root/tmp/x"], "/proc");
  await refuse(["-", "web:/file"], "web:/file", "is a file");
  await refuse(["-", "web:/none"], "web:/none", "is not there");
  assertRefused(await mini(["cp", "-", "web:/d"], { stdin: "no archive at all" }), 1, "standard input", "damaged");
  const socket = Deno.listen({ transport: "unix", path: at("tree/socket") });
  await refuse([at("tree/socket"), "web:/d"], "socket");
  assertEquals(
    (await mini(["cp", at("tree"), "web:/d"])).stderr.trim(),
    "mini: note: 1 socket left out: only the program that made one can use it",
  );
  socket.close();
  assertEquals([list(folder), read(at("tree/file"))].flat().filter((name) => name !== "root" && name !== "state"), [
    "tree",
    "host's\n",
  ]);
  await mini(["rm", "-f", "web"]);
});

/** What a command shows on a terminal. */
async function inTerminal(command: readonly string[]): Promise<string> {
  await using terminal = new Terminal();
  await terminal.start(["sh", "-c", '"$@"; printf END', "sh", ...command]).status;
  return (await terminal.shows(/^([^]*)END$/))[1]!;
}

miniTest("on a terminal a copy says how much it was, and with -q nothing", async (context) => {
  const { mini, command, folder } = context;
  Deno.writeTextFileSync(`${folder}/file`, "text\n");
  ok(await mini(["create", "--name", "web", "starter"]));
  const output = await inTerminal([...command, "cp", `${folder}/file`, "web:/x"]);
  assertStringIncludes(output, "Successfully copied 2.05kB to web:/x\r\n");
  assertEquals(await inTerminal([...command, "cp", "-q", `${folder}/file`, "web:/x"]), "");
  assertStringIncludes(await inTerminal([...command, "cp", "web:/x", "-"]), "an archive is not for a terminal");
  await mini(["rm", "web"]);
});
