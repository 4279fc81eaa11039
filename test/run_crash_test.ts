/** What is left when `mini` is killed without a chance to clear up, and when its files are damaged: nothing that lasts. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Context, miniTest, needsProgram, runCommand, until } from "./harness.ts";
import { Terminal } from "./pty.ts";

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Everything that could be left of containers, by path. */
function leftovers({ root, state }: Context): string[] {
  return [`${root}/containers`, `${root}/names`, `${state}/containers`].flatMap((folder) =>
    [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`)
  );
}

/** Numbers of the processes whose command line has this word. */
function processes(word: string): number[] {
  return [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name)).flatMap(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0").includes(word) ? [Number(name)] : [];
    } catch {
      return []; // it has ended
    }
  });
}

const KILLS = 100;

miniTest(
  "killed at any moment, a hundred times, mini leaves nothing that the next command does not clear",
  async (context) => {
    const { mini, start, command } = context;
    await mini(["run", "--rm", "starter", "true"]);
    // However busy the machine is: some of the kills come before a container runs, and some while it does.
    const before = performance.now();
    await mini(["run", "--rm", "starter", "true"]);
    const span = Math.max(60, 1.5 * (performance.now() - before));
    await using terminal = new Terminal();
    let kept = 0;
    for (let i = 0; i < KILLS; i++) {
      // 1000 seconds and a bit, to know our own.
      const seconds = `1000.${process(i)}`, named = i % 5 === 0, remove = i % 2 === 0;
      const flags = [...remove ? ["--rm"] : [], ...i % 3 === 0 ? ["--init"] : [], ...named ? ["--name", "again"] : []];
      const program = ["starter", "sh", "-c", `sleep ${seconds} & sleep ${seconds}`];
      let end: Promise<unknown>;
      if (i % 4 === 3) {
        const session = terminal.start([...command, "run", "-it", ...flags, ...program]);
        await pause(Math.random() * span);
        session.kill("SIGKILL");
        end = session.status;
      } else {
        const running = start(["run", ...flags, ...program]);
        await pause(Math.random() * span);
        running.kill("SIGKILL");
        end = running.output;
      }
      await end;
      if (i % 4 === 3) {
        // One with a terminal goes on without mini, if it had come to run.
        const ids = (await mini(["ps", "-aq"])).stdout.split("\n").filter(Boolean);
        if (ids.length > 0) assertEquals((await mini(["rm", "-f", ...ids])).status, 0);
      }
      await until("the container dies with mini", () => processes(seconds).length === 0);
      const { status, stdout, stderr } = await mini(["ps", "-a", "--format", "{{.ID}} {{.State}} {{.Status}}"]);
      assertEquals([status, stderr], [0, ""]);
      if (stdout !== "") {
        // It ran, and was to be kept.
        assert(!remove);
        assertMatch(stdout, /^[0-9a-f]{12} exited Exited \(137\) [^\n]*\n$/);
        kept++;
        assertEquals((await mini(["rm", stdout.slice(0, 12)])).status, 0);
      }
      assertEquals(leftovers(context), [], `after the kill number ${i}`);
    }
    assert(kept > 0 && kept < KILLS, `${kept} of them were killed while they ran`);
  },
);

/** A fraction that is the same for a number every time and not easily met elsewhere. */
function process(i: number): string {
  return `${Deno.pid}${1000 + i}`;
}

miniTest("a container whose program has changed its user is cleared by the next command", async (context) => {
  const { start, mini } = context;
  // The kernel forgets then that it is to die with mini (prctl(2), PR_SET_PDEATHSIG).
  const script = "echo ready; exec su -s /bin/sh nobody -c 'exec sleep 1000'";
  const running = start(["run", "--name", "left", "starter", "sh", "-c", script]);
  await until("it runs", () => running.stdout().includes("ready"));
  await pause(100);
  running.kill("SIGKILL");
  await running.output;
  const { stdout } = await mini(["ps", "-a", "--format", "{{.Names}} {{.Status}}"]);
  assertMatch(stdout, /^left Exited \(137\)/);
  assertEquals((await mini(["rm", "left"])).status, 0);
});

miniTest("damaged files are told in one sentence, and keep nobody from the rest", async (context) => {
  const { mini, root, state } = context;
  for (const name of ["whole", "broken"]) await mini(["run", "--name", name, "starter", "true"]);
  const id = Deno.readLinkSync(`${root}/names/broken`), file = `${root}/containers/${id}/container.json`;
  const good = Deno.readTextFileSync(file), record = JSON.parse(good);
  const damaged = new RegExp(`is damaged; remove it with 'mini rm -f ${id.slice(0, 12)}'`);
  const contents: [content: string, sentence: RegExp][] = [
    ["", damaged],
    [good.slice(0, good.length / 2), damaged],
    ["null", damaged],
    ["[]", damaged],
    ["{}", damaged],
    ["\0\xff\n{", damaged],
    [JSON.stringify({ ...record, config: {} }), damaged],
    [JSON.stringify({ ...record, version: 99 }), /was made by a newer mini \(record version 99\): use that one/],
  ];
  for (const [content, sentence] of contents) {
    Deno.writeTextFileSync(file, content);
    const ps = await mini(["ps", "-a", "--format", '{{.Names}} {{index (split .Status ")") 0}})']);
    const dead = sentence === damaged;
    assertEquals([ps.status, ps.stdout], [
      0,
      dead ? "broken Dead (damaged record)\nwhole Exited (0)\n" : "whole Exited (0)\n",
    ]);
    for (const args of [["inspect", "broken"], ["rm", "broken"], ["stop", "broken"]]) {
      const { status, stderr } = await mini(args);
      assertEquals(status, 1, `${args[0]} ${content}`);
      for (const text of [ps.stderr, stderr]) {
        assertMatch(text, /^mini: [^\n]*\n$/, content);
        assertMatch(text, sentence);
      }
    }
    assertEquals((await mini(["run", "--rm", "starter", "true"])).status, 0);
    assertEquals(Deno.readTextFileSync(file), content, "it is left as it was");
  }
  Deno.writeTextFileSync(file, good.slice(0, good.length / 2));
  for (const args of [["images"], ["system", "df"], ["volume", "prune", "-f"], ["network", "prune", "-f"]]) {
    assertEquals((await mini(args)).status, 0, args.join(" "));
  }
  await mini(["tag", "starter", "other"]);
  for (const args of [["rmi", "other"], ["image", "prune", "-f"], ["rmi", "-f", "starter"]]) {
    assertEquals((await mini(args)).status, 0, args.join(" "));
  }
  assertEquals(await mini(["rm", "-f", "broken"]), { status: 0, stdout: "broken\n", stderr: "" });
  assertEquals(await mini(["ps", "-a", "--format", "{{.Names}}"]), { status: 0, stdout: "whole\n", stderr: "" });
  assertEquals((await mini(["rm", "whole"])).status, 0);

  // What is written of a container that runs: its owner is killed, and all that is left is a damaged file.
  for (const content of ["", "{", "null", "7", JSON.stringify({ status: "running", pid: 1, cgroup: 3 })]) {
    const running = context.start(["run", "--rm", "starter", "sh", "-c", "echo ready; sleep 1000"]);
    await until("it runs", () => running.stdout().includes("ready"));
    const [folder] = [...Deno.readDirSync(`${state}/containers`)];
    Deno.writeTextFileSync(`${state}/containers/${folder!.name}/state.json`, content);
    running.kill("SIGKILL");
    await running.output;
    assertEquals(await mini(["ps", "-aq"]), { status: 0, stdout: "", stderr: "" });
    assertEquals(leftovers(context), []);
  }
});

miniTest(
  "on a full disk a container is refused in one sentence, and nothing is left of it",
  async ({ command, folder }) => {
    Deno.mkdirSync(`${folder}/small`);
    const words = command.map((word) => `'${word}'`).join(" ").replaceAll(`${folder}/`, `${folder}/small/`);
    const script = `
    mini() { ${words} "$@"; }
    mount -t tmpfs -o size=8m none small
    mini run --rm starter true || exit 90
    head -c 9000000 /dev/zero > small/big 2>/dev/null
    for flags in --rm "--name kept" -t; do mini run $flags starter true; echo $?; done
    ls -A small/root/containers small/root/names small/state/containers
    rm small/big
    mini run --rm starter echo again`;
    const { stdout, stderr } = await runCommand(["unshare", "-m", "bash", "-c", script], { cwd: folder });
    const path = `${folder}/small`;
    assertEquals(
      stdout.replaceAll(path, ""),
      "125\n125\n125\nsmall/root/containers:\n\nsmall/root/names:\n\nsmall/state/containers:\nagain\n",
    );
    assertEquals(stderr.trimEnd().split("\n").length, 3, stderr);
    for (const line of stderr.trimEnd().split("\n")) assertMatch(line, /^mini: .*[Nn]o space left on device.*--root/);
  },
  [needsProgram("unshare")],
);

miniTest(
  "a container that has filled the disk keeps no other from being seen, and is removed",
  async ({ command, folder }) => {
    Deno.mkdirSync(`${folder}/small`);
    const words = command.map((word) => `'${word}'`).join(" ").replaceAll(`${folder}/`, `${folder}/small/`);
    const script = `
    mini() { ${words} "$@"; }
    mount -t tmpfs -o size=8m none small
    mini run -d --name other starter sleep 600 >/dev/null
    mini run -d --name full starter sh -c "until [ -e /go ]; do sleep 0.1; done; cat /dev/zero > /big; sleep 600" >/dev/null
    mini exec full touch /go
    until df small | grep -q 100%; do sleep 0.1; done
    head -c 9000000 /dev/zero > small/big 2>/dev/null
    mini kill full
    mini ps --format '{{.Names}}' -f name=other; echo $?
    mini ps -a --format '{{.Names}} {{.State}} {{slice .Status 0 12}}' -f name=full
    mini inspect -f '{{.State.Running}} {{.State.ExitCode}}' full; mini wait full
    mini exec other echo within; echo $?
    mini rm -f full; echo $?
    rm small/big
    mini rm -f other; echo $?
    mini ps -aq; ls -A small/state/containers
    while pgrep -f "[r]oot ${folder}/small.* monitor" >/dev/null; do sleep 0.1; done`;
    const { stdout, stderr } = await runCommand(["unshare", "-m", "bash", "-c", script], { cwd: folder });
    assertEquals(
      stdout,
      "full\nother\n0\nfull exited Exited (137)\nfalse 137\n137\nwithin\n0\nfull\n0\nother\n0\n",
      stderr,
    );
  },
  [needsProgram("unshare")],
);
