/** Containers, archives and trees that try to lead `mini cp` astray: nothing on the host may change or be read but what was meant. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Containers } from "../engine/containers.ts";
import { copy, type CopyRequest } from "../engine/copy/cp.ts";
import { AT_FDCWD, AT_REMOVEDIR } from "../ffi/constants.ts";
import { elf } from "../ffi/elf.ts";
import { MiniError } from "../ffi/errors.ts";
import { machine } from "../ffi/kernel.ts";
import { op, type Operation } from "../ffi/program.ts";
import { TAR_END, type TarHeader, tarHeader, tarPadding } from "../images/tar_write.ts";
import { assertRefused, type Context, miniTest, type Output, runCommand, until } from "./harness.ts";

const ok = ({ status, stdout, stderr }: Output) => {
  assertEquals([status, stderr], [0, ""], stdout);
  return stdout;
};

/** A static program that makes system calls over and over. */
function loopForever(path: string, operations: readonly Operation[]): void {
  const PRIVATE_ANONYMOUS_FIXED = 0x32, RESULTS = 0x30000000;
  const again = op("sched_yield", [], "and again", { jump: { when: "always", to: "first" } });
  const whole = [
    op("mmap", [RESULTS, 1 << 20, 3, PRIVATE_ANONYMOUS_FIXED, -1, 0], "room for results"),
    op("add", [0, 0], "begin", { name: "first" }),
    ...operations.map((operation) => ({ ...operation, optional: true })),
    again,
  ];
  Deno.writeFileSync(path, elf(whole, machine), { mode: 0o755 });
}

/** A folder of the host that nobody is to read or to change, and what it is like. */
function makeOutside(path: string): { secret: string; look(): string } {
  Deno.mkdirSync(`${path}/sub`, { recursive: true });
  const secret = `secret ${crypto.randomUUID()}`;
  for (const name of ["file", "sub/file", "fifo"]) Deno.writeTextFileSync(`${path}/${name}`, secret, { mode: 0o600 });
  const look = () =>
    ["", "/file", "/sub", "/sub/file", "/fifo"].map((name) => {
      const { mode, uid, gid, size, mtime, ino, isDirectory } = Deno.lstatSync(`${path}${name}`);
      const names = isDirectory ? [...Deno.readDirSync(`${path}${name}`)].map((entry) => entry.name).sort().join() : "";
      return [name, mode, uid, gid, size, isDirectory ? names : mtime?.getTime(), ino].join(" ");
    }).join("\n");
  return { secret, look };
}

/** Starts `web`, which has made the files of `script` and then executes a program that never ends. */
async function startAttacker(context: Context, script: string, operations: readonly Operation[]): Promise<void> {
  const { mini, folder } = context, program = `${folder}/attack`;
  loopForever(program, operations);
  const args = ["-v", `${program}:/attack:ro`, "starter", "sh", "-c", `${script}; touch /ready; exec /attack`];
  ok(await mini(["run", "-d", "--name", "web", ...args]));
  for (let i = 0; (await mini(["exec", "web", "ls", "/ready"])).status !== 0; i++) assert(i < 100, "not ready");
}

/** How much longer it may take until enough has happened, on a machine that has more to do. */
const PATIENCE_MILLISECONDS = 120_000;

/** Copies over and over for a while, and until it is enough, in this process; how each copy ended. */
async function copyOften(
  { root, state }: Context,
  milliseconds: number,
  request: (
    end: (path: string) => { container: Awaited<ReturnType<Containers["get"]>>; path: string },
  ) => Pick<CopyRequest, "from" | "to">,
  afterEach: (failure: string | undefined) => void,
  enough: () => boolean = () => true,
): Promise<number> {
  const containers = new Containers(root, state), container = await containers.get("web");
  let count = 0;
  for (
    const end = Date.now() + milliseconds, late = end + PATIENCE_MILLISECONDS;
    Date.now() < end || !enough() && Date.now() < late;
    count++
  ) {
    let failure: string | undefined;
    try {
      await copy(containers, { archive: true, follow: false, ...request((path) => ({ container, path })) });
    } catch (error) {
      if (!(error instanceof MiniError)) throw error;
      failure = error.message;
    }
    afterEach(failure);
  }
  return count;
}

const EXCHANGE = 2;
const exchange = (a: string, b: string) =>
  op("renameat2", [AT_FDCWD, a, AT_FDCWD, b, EXCHANGE], "one moment a folder, the next a link");

miniTest(
  "a folder that is a link to the host's at every other moment is never followed there, on the way out",
  async (context) => {
    const { mini, folder } = context, path = `${folder}/outside`, outside = makeOutside(path), before = outside.look();
    // The container has the same path, with content of its own.
    const script = `mkdir -p ${path}/sub /d/a/real; echo decoy | tee ${path}/file ${path}/sub/file; ` +
      `mkdir /d/a/real/sub; echo real | tee /d/a/real/file /d/a/real/sub/file; ln -s ${path} /d/a/link`;
    await startAttacker(context, script, [exchange("/d/a/real", "/d/a/link")]);
    const seen = { real: 0, decoy: 0, failed: 0 };
    const out = `${folder}/out`;
    let wanted = 0;
    for (const from of ["/d/a/real/file", "/d/a/real/sub/file", "/d/a/real/.", "/d/."]) {
      wanted += 6;
      await copyOften(context, 700, (web) => ({ from: web(from), to: { path: out } }), (failure) => {
        if (failure) seen.failed++;
        for (const file of [out, `${out}/file`, `${out}/sub/file`, `${out}/a/real/file`, `${out}/a/link/sub/file`]) {
          let text: string;
          try {
            if (Deno.lstatSync(file.replace(/\/(sub\/)?file$/, "")).isSymlink) continue;
            text = Deno.readTextFileSync(file);
          } catch {
            continue; // not this one
          }
          assert(!text.includes("secret"), `${from} has brought ${file} from the host`);
          if (text === "real\n") seen.real++;
          else if (text === "decoy\n") seen.decoy++;
          else assertEquals(text, "");
        }
        Deno.removeSync(out, { recursive: true });
        Deno.mkdirSync(out);
      }, () => seen.real > wanted && seen.decoy > wanted);
      Deno.removeSync(out, { recursive: true });
    }
    assert(seen.real > 20 && seen.decoy > 20, `the race took place: ${JSON.stringify(seen)}`);
    assertEquals(outside.look(), before);
    await mini(["rm", "-f", "web"]);
  },
);

miniTest("nor on the way in, whatever is written: files, folders, archives", async (context) => {
  const { mini, folder } = context, path = `${folder}/outside`, outside = makeOutside(path), before = outside.look();
  const script = `mkdir -p ${path} /d/a/real; ln -s ${path} /d/a/link`;
  await startAttacker(context, script, [exchange("/d/a/real", "/d/a/link")]);
  const from = `${folder}/from`;
  Deno.mkdirSync(`${from}/a/real/sub`, { recursive: true });
  for (const name of ["file", "sub/file", "new"]) Deno.writeTextFileSync(`${from}/a/real/${name}`, "of the host");
  const { stdout } = await new Deno.Command("tar", { args: ["-C", from, "-c", "a"] }).output();
  let done = 0, failed = 0;
  const count = (failure: string | undefined) => void (failure ? failed++ : done++);
  const often = (request: Parameters<typeof copyOften>[2]) => {
    // One of them is refused nearly always: the folder that it writes finds a link in its place.
    const wanted = done + 5, refused = failed + 50;
    return copyOften(context, 600, request, count, () => done >= wanted || failed >= refused);
  };
  await often((web) => ({ from: { path: `${from}/a/real/file` }, to: web("/d/a/real/file") }));
  await often((web) => ({ from: { path: `${from}/a/real` }, to: web("/d/a/") }));
  await often((web) => ({ from: { path: `${from}/.` }, to: web("/d") }));
  await often((web) => ({
    from: (async function* () {
      yield stdout;
    })(),
    to: web("/d"),
  }));
  await often((web) => ({
    from: (async function* () {
      yield stdout;
    })(),
    to: web("/d/a/real"),
  }));
  assert(done > 20, `${done} copies done, ${failed} refused`);
  assertEquals(outside.look(), before);
  await mini(["rm", "-f", "web"]);
});

miniTest(
  "what was just made and is a link the moment after gets its owner, mode and time from nobody",
  async (context) => {
    const { mini, folder } = context, path = `${folder}/outside`, outside = makeOutside(path), before = outside.look();
    const link = (name: string) => [
      op("unlinkat", [AT_FDCWD, name, 0], "what cp has made"),
      op("unlinkat", [AT_FDCWD, name, AT_REMOVEDIR], "a folder that cp has made"),
      op("symlinkat", [`${path}/${name.slice(name.lastIndexOf("/") + 1)}`, AT_FDCWD, name], "a link to the host's"),
      op("unlinkat", [AT_FDCWD, name, 0], "and room for the next"),
    ];
    await startAttacker(context, `mkdir -p /d ${path}`, [...link("/d/fifo"), ...link("/d/sub"), ...link("/d/file")]);
    const from = `${folder}/from`;
    Deno.mkdirSync(`${from}/sub`, { recursive: true });
    await runCommand(["sh", "-c", 'cd "$0" && mkfifo fifo && echo x > file && chmod 777 * && chown 7:7 *', from]);
    let done = 0, failed = 0;
    await copyOften(
      context,
      3000,
      (web) => ({ from: { path: `${from}/.` }, to: web("/d") }),
      (failure) => void (failure ? failed++ : done++),
      () => done + failed > 200,
    );
    assert(done + failed > 20, `${done} copies done, ${failed} refused`);
    assertEquals(outside.look(), before);
    await mini(["rm", "-f", "web"]);
  },
);

for (const isRunning of [true, false]) {
  miniTest(`links in every part of a path are the container's own (running: ${isRunning})`, async (context) => {
    const { mini, folder } = context, path = `${folder}/outside`, outside = makeOutside(path), before = outside.look();
    const up = "../".repeat(30);
    const links: Record<string, string> = {
      "l/abs": path,
      "l/rel": `${up}${path.slice(1)}`,
      "l/root": "/",
      "l/top": up,
      "l/proc": "/proc/self/root",
      "l/one": `/proc/1/root${path}`,
      "l/fd": "/proc/self/fd/3",
      "l/file": `${path}/file`,
      "l/new": `${path}/new`,
    };
    const script = "mkdir /l; " + Object.entries(links).map(([name, target]) => `ln -s ${target} /${name}`).join("; ");
    if (isRunning) await startAttacker(context, script, [op("nanosleep", [new Uint8Array([1]), 0], "nothing")]);
    else ok(await mini(["run", "--name", "web", "starter", "sh", "-c", script]));
    Deno.mkdirSync(`${folder}/tree`);
    for (const name of ["mine", "tree/file"]) Deno.writeTextFileSync(`${folder}/${name}`, "mine");
    const containers = new Containers(context.root, context.state), container = await containers.get("web");
    const tryCopy = async (from: CopyRequest["from"], to: CopyRequest["to"]) => {
      try {
        await copy(containers, { from, to, archive: true, follow: true });
      } catch (error) {
        assert(error instanceof MiniError, String(error));
      }
    };
    for (const link of Object.keys(links)) {
      const inner = path.slice(1), to = `${folder}/got`;
      for (const below of ["", "/", "/.", "/file", "/sub/file", `/${inner}/file`]) {
        if (/root|top/.test(link) && !below.includes("file")) continue; // all of the container: right, and long
        await tryCopy({ container, path: `/${link}${below}` }, { path: to });
        const found = await runCommand(["grep", "-rs", "--devices=skip", outside.secret, to]);
        assertEquals(found.stdout, "", `web:/${link}${below}`);
        await Deno.remove(to, { recursive: true }).catch(() => {}); // there may be none
      }
      for (const below of ["", "/file", "/new", `/${inner}/file`]) {
        for (const from of ["mine", "tree", "tree/."]) {
          await tryCopy({ path: `${folder}/${from}` }, { container, path: `/${link}${below}` });
          assertEquals(outside.look(), before, `${from} to web:/${link}${below}`);
        }
      }
    }
    await mini(["rm", "-f", "web"]);
  });

  miniTest(
    `a hostile archive on standard input changes nothing but below its folder (running: ${isRunning})`,
    async (context) => {
      const { mini, folder } = context,
        path = `${folder}/outside`,
        outside = makeOutside(path),
        before = outside.look();
      ok(await mini(["create", "--name", "web", "starter", "sleep", "1000"]));
      if (isRunning) ok(await mini(["start", "web"]));
      ok(await mini(["cp", "web:/etc", `${folder}/etc`]));
      const feed = (...entries: [Partial<TarHeader>, string?][]) => {
        const parts = entries.flatMap(([header, content = ""]) => {
          const bytes = new TextEncoder().encode(content);
          return [
            tarHeader({ type: "file", path: "x", mode: 0o644, size: bytes.length, ...header }),
            bytes,
            tarPadding(bytes.length),
          ];
        });
        return new Blob([...parts, TAR_END] as BlobPart[]).bytes();
      };
      const send = async (...entries: [Partial<TarHeader>, string?][]) => {
        const output = await mini(["cp", "-", "web:/srv"], { stdin: await feed(...entries) });
        assertEquals(outside.look(), before);
        return output;
      };
      ok(await send([{ type: "directory", path: "./", mode: 0o755 }]));
      const up = "../".repeat(20),
        refused = [
          [{ path: "../escaped" }, "leads out of the root"],
          [{ path: `${up}${path.slice(1)}/new` }, "leads out of the root"],
          [{ path: "a/../../b" }, "leads out of the root"],
          [{ type: "hardlink", path: "h", linkPath: "../etc/passwd" }, "leads out of the root"],
          [{ type: "hardlink", path: "h", linkPath: "/etc/passwd" }, "is not there"],
          [{ type: "hardlink", path: "h", linkPath: `${path}/file` }, "is not there"],
        ] as const;
      for (const [header, why] of refused) assertRefused(await send([header]), 1, "the archive on standard input", why);
      // Absolute names are below the folder; links are links; what lies below them is the container's.
      ok(await send([{ path: `${path}/file` }, "below"]));
      ok(
        await send(
          [{ type: "symlink", path: "out", linkPath: "/tmp", mode: 0o777 }],
          [{ path: "out/through" }, "in the container's /tmp"],
        ),
      );
      assertRefused(
        await send([{ type: "symlink", path: "host", linkPath: `${path}/sub`, mode: 0o777 }], [
          { path: "host/file" },
          "x",
        ]),
        1,
        "points to nothing",
      );
      // A folder never takes the place of something else, nor the reverse.
      assertRefused(
        await send([{ path: "y" }, "x"], [{ type: "directory", path: "y", mode: 0o755 }]),
        1,
        "y is not a folder",
      );
      assertRefused(
        await send([{ type: "directory", path: "z", mode: 0o755 }], [{ path: "z" }, "x"]),
        1,
        "z is a folder",
      );
      // A whiteout is a file like any other, and overlayfs' own attributes are not set.
      ok(
        await send([{ path: ".wh.etc" }, ""], [{
          path: "attr",
          xattrs: [["trusted.overlay.opaque", new Uint8Array([121])]],
        }]),
      );
      ok(await send([{ type: "block", path: "disk", mode: 0o666, major: 8, minor: 0 }]));
      ok(await mini(["cp", "web:/srv", `${folder}/srv`, "-a"]));
      const names = [...Deno.readDirSync(`${folder}/srv`)].map(({ name }) => name).sort();
      assertEquals(names, [".wh.etc", "attr", "disk", "host", "out", path.split("/")[1]!, "y", "z"].sort());
      ok(await mini(["cp", "web:/tmp/through", `${folder}/through`]));
      ok(await mini(["cp", "web:/etc", `${folder}/etc-after`]));
      const same = await runCommand(["diff", "-r", `${folder}/etc`, `${folder}/etc-after`]);
      assertEquals([same.status, same.stdout], [0, ""]);
      await mini(["rm", "-f", "web"]);
    },
  );
}

miniTest(
  "files that are enormous, that grow, that shrink and that vanish are copied as they are at a moment",
  async (context) => {
    const { mini, command, folder } = context;
    const script =
      "truncate -s 500G /d/huge; echo end >> /d/huge; dd if=/dev/zero of=/d/shrinks bs=1M count=4 2>/dev/null; " +
      "touch /ready; while :; do echo line >> /d/grows; : > /d/shrinks; rm -rf /d/gone; mkdir /d/gone; echo x > /d/gone/x; " +
      "dd if=/dev/zero of=/d/shrinks bs=1M count=1 2>/dev/null; done";
    ok(
      await mini(["run", "-d", "--name", "web", "starter", "sh", "-c", `mkdir /d; ${script}`]).then((o) => ({
        ...o,
        stdout: "",
      })),
    );
    for (let i = 0; (await mini(["exec", "web", "ls", "/ready"])).status !== 0; i++) assert(i < 100, "not ready");
    for (let i = 0; i < 10; i++) {
      ok(await mini(["cp", "web:/d", `${folder}/d${i}`]));
      const { size, blocks } = Deno.statSync(`${folder}/d${i}/huge`);
      assertEquals([size, blocks! < 1000], [500 * 2 ** 30 + 4, true]);
      const archive = await runCommand(["sh", "-c", '"$@" cp web:/d - | tar -t', "sh", ...command]);
      assertEquals(archive.stderr, "");
      assertStringIncludes(archive.stdout, "d/grows\n");
    }
    await mini(["rm", "-f", "web"]);
  },
);

miniTest("a container that is removed while it is copied is told of, and nothing of it is left", async (context) => {
  const { mini } = context;
  const script = "mkdir /d; for i in $(seq 300); do dd if=/dev/zero of=/d/$i bs=64k count=1 2>/dev/null; done";
  for (const isRunning of [true, false]) {
    ok(
      await mini([
        "run",
        "-d",
        "--name",
        "web",
        "starter",
        "sh",
        "-c",
        `${script}; touch /ready; sleep ${isRunning ? 1000 : 0}`,
      ]),
    );
    if (!isRunning) await until("its end", async () => (await mini(["ps", "-q"])).stdout === "");
    for (let i = 0; isRunning && (await mini(["exec", "web", "ls", "/ready"])).status !== 0; i++) {
      assert(i < 300, "not ready");
    }
    // Its output is a pipe of which nobody reads all before the container is gone.
    const copies = [];
    for (const args of [["export", "web"], ["cp", "web:/d", "-"]]) {
      const copying = new Deno.Command(context.command[0]!, {
        args: [...context.command.slice(1), ...args],
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const reader = copying.stdout.getReader();
      await reader.read();
      copies.push({ copying, reader });
    }
    ok(await mini(["rm", "-f", "web"]));
    for (const { copying, reader } of copies) {
      while (!(await reader.read()).done);
      const stderr = await new Response(copying.stderr).text();
      assertEquals((await copying.status).code, 1);
      assertMatch(
        stderr,
        /^mini: container web was removed while it was (read|copied), so that not everything [^\n]+\n$/,
      );
    }
  }
});

miniTest("Ctrl-C in the middle leaves no mount, no lock and no temporary file", async (context) => {
  const { mini, command, folder } = context;
  for (const isRunning of [true, false]) {
    ok(await mini(["create", "--name", "web", "starter", "sleep", "1000"]));
    if (isRunning) ok(await mini(["start", "web"]));
    // An archive that never comes to its end.
    const feeding = new Deno.Command(command[0]!, {
      args: [...command.slice(1), "cp", "-", "web:/srv"],
      stdin: "piped",
      stderr: "null",
    }).spawn();
    const writer = feeding.stdin.getWriter();
    await writer.write(
      tarHeader({ type: "file", path: "half", mode: 0o644, size: 1 << 20 }) as Uint8Array<ArrayBuffer>,
    );
    await writer.write(new Uint8Array(1000));
    await until(
      "half of the file is there",
      async () =>
        isRunning
          ? (await mini(["exec", "web", "ls", "/srv/half"])).status === 0
          : [...Deno.readDirSync(`${context.root}/containers`)].some(({ name }) =>
            exists(`${context.root}/containers/${name}/upper/srv/half`)
          ),
    );
    feeding.kill("SIGINT");
    const { signal, code } = await feeding.status;
    assert(signal === "SIGINT" || code === 130, `${signal} ${code}`);
    await writer.close().catch(() => {}); // nobody reads it any more
    // It can be used at once.
    if (!isRunning) ok(await mini(["start", "web"]));
    Deno.writeTextFileSync(`${folder}/file`, "text");
    ok(await mini(["cp", `${folder}/file`, "web:/srv"]));
    await mini(["rm", "-f", "web"]);
  }
});

function exists(path: string): boolean {
  try {
    return Deno.lstatSync(path) !== undefined;
  } catch {
    return false;
  }
}
