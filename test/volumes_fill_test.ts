/** Volumes that are filled from an image: exactly, once, and never from outside it. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isMissing } from "../ffi/available.ts";
import { Store } from "../images/store.ts";
import { assertRefused, type Context, miniTest } from "./harness.ts";
import { addImage, describeTree, type Entry, layerTar } from "./images_fixtures.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** What every image here begins with. */
const base = async (): Promise<Entry[]> => [
  [{ path: "bin/", type: "directory", mode: 0o755 }],
  [{ path: "bin/busybox", mode: 0o755 }, await Deno.readFile("/bin/busybox")],
  [{ path: "bin/sh", type: "symlink", linkPath: encode("busybox") }],
];

/** An image `name:latest` of these layers on top of a shell. Returns the folder of the first one. */
async function image({ root }: Context, name: string, layers: Entry[][], config: object = {}): Promise<string> {
  const store = new Store(root),
    tars = [layerTar(...await base(), ...layers[0]!), ...layers.slice(1).map((l) => layerTar(...l))];
  await addImage(store, `${name}:latest`, tars, config);
  return store.image(name).layers[0]!;
}

/** A shell's output in a container of the image. */
async function sh({ mini }: Context, image: string, script: string, ...flags: string[]): Promise<string> {
  const { status, stdout, stderr } = await mini(["run", "--rm", ...flags, image, "/bin/sh", "-c", script]);
  assertEquals([status, stderr], [0, ""], script);
  return stdout;
}

const data = ({ root }: Context, name: string) => `${root}/volumes/${name}/data`;
const remove = ({ mini }: Context, ...names: string[]) => mini(["volume", "rm", ...names]);

miniTest("a volume is filled exactly: owners, modes, times, attributes, links, devices, holes", async (context) => {
  const mtime = { seconds: 1_234_567_890, nanoseconds: 123_456_789 };
  const capability = new Uint8Array([1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const folder = await image(context, "exact", [[
    [{ path: "data/", type: "directory", mode: 0o2750, uid: 1000, gid: 1001, mtime }],
    [{ path: "data/file", mode: 0o4711, uid: 1, gid: 2, mtime }, "content"],
    [{ path: "data/cap", mode: 0o755, xattrs: [["security.capability", capability], ["user.note", encode("x\0y")]] }],
    [{ path: "data/linked", type: "hardlink", linkPath: encode("data/file") }],
    [{ path: "data/link", type: "symlink", linkPath: encode("/etc/passwd"), uid: 7, gid: 8, mtime }],
    [{ path: "data/dangling", type: "symlink", linkPath: encode("../../no/such") }],
    [{ path: "data/null", type: "char", mode: 0o666, major: 1, minor: 3 }],
    [{ path: "data/block", type: "block", mode: 0o600, major: 7, minor: 200 }],
    [{ path: "data/fifo", type: "fifo", mode: 0o644, uid: 5, mtime }],
    [{ path: new Uint8Array([...encode("data/"), 0xff, 0xfe, 0x0a]) }, "odd"],
    [{ path: "data/deep/er/", type: "directory", mode: 0o700, uid: 9, mtime }],
    [{ path: "data/big" }, new Uint8Array(3_000_000).fill(7)],
    [{ path: "data/empty" }],
  ]]);
  await sh(context, "exact", "true", "-v", "vol:/data");
  assertEquals(await describeTree(data(context, "vol")), await describeTree(`${folder}/data`));
  // What is there is not brought back, and what is new in it stays.
  await sh(context, "exact", "rm -r /data/* && echo new > /data/new", "-v", "vol:/data");
  assertEquals(await sh(context, "exact", "ls /data", "-v", "vol:/data"), "new\n");
  assertEquals(await sh(context, "exact", "ls -A /data", "-v", "bare:/data:nocopy"), "");
  assertEquals(await sh(context, "exact", "ls -A /data", "--mount", "src=bare,dst=/data,volume-nocopy"), "");
  // It is empty, so that the next one who does not mind fills it.
  assertMatch(await sh(context, "exact", "ls /data", "-v", "bare:/data:ro"), /^big\nblock\ncap\n/);
  await remove(context, "vol", "bare");
});

miniTest(
  "the volumes of an image are made by themselves, filled from all of its layers, and go with --rm",
  async (context) => {
    const { mini } = context;
    await image(
      context,
      "layered",
      [
        [
          [{ path: "data/", type: "directory", mode: 0o755 }],
          [{ path: "data/gone" }, "1"],
          [{ path: "data/kept" }, "1"],
          [{ path: "data/old/", type: "directory", mode: 0o755 }],
          [{ path: "data/old/below" }, "1"],
          [{ path: "spool/", type: "directory", mode: 0o1777, uid: 33, gid: 34 }],
        ],
        [[{ path: "data/.wh.gone" }], [{ path: "data/old/.wh..wh..opq" }], [{ path: "data/old/new" }, "2"]],
      ],
      { Volumes: { "/data": {}, "/spool/": {}, "/none/../made/here": {} } },
    );
    const script =
      "cd /data; echo $(ls -R | tr '\\n' ' '); stat -c '%a %u:%g' /spool /made/here; grep -c ' /data ' /proc/self/mountinfo";
    const withProc = `${
      script.replace("grep", "busybox grep").replace("stat", "busybox stat").replace("ls", "busybox ls").replace(
        "tr",
        "busybox tr",
      )
    }`;
    assertEquals(
      await sh(context, "layered", withProc),
      ".: kept old ./old: new\n1777 33:34\n755 0:0\n1\n",
    );
    assertEquals((await mini(["volume", "ls", "-q"])).stdout, "");
    assertEquals(
      (await mini(["run", "--name", "kept", "-v", "mine:/data", "layered", "/bin/sh", "-c", "echo x > /spool/x"]))
        .status,
      0,
    );
    const [{ Config, Mounts }] = JSON.parse((await mini(["inspect", "kept"])).stdout);
    assertEquals(Object.keys(Config.Volumes).sort(), ["/made/here", "/spool"]);
    assertEquals(Mounts.map((m: { Type: string; Destination: string }) => `${m.Type} ${m.Destination}`).sort(), [
      "volume /data",
      "volume /made/here",
      "volume /spool",
    ]);
    // Another one of the same image uses what it wrote.
    assertEquals(
      await sh(context, "layered", "busybox cat /spool/x; busybox ls /data", "--volumes-from", "kept"),
      "x\nkept\nold\n",
    );
    await mini(["rm", "-v", "kept"]);
    assertEquals((await mini(["volume", "ls", "-q"])).stdout, "mine\n");
    await remove(context, "mine");
  },
);

miniTest("an image cannot lead the copy outside, nor mount where nothing is to be mounted", async (context) => {
  const { mini } = context;
  const links: [string, string][] = [["abs", "/etc"], ["up", "../../../../../../../etc"], [
    "magic",
    "/proc/self/root/etc",
  ], ["loop", "loop"]];
  await image(context, "hostile", [[
    [{ path: "etc/", type: "directory", mode: 0o755 }],
    [{ path: "etc/mine" }, "of the image"],
    [{ path: "proc/", type: "directory", mode: 0o755 }],
    [{ path: "inproc", type: "symlink", linkPath: encode("/proc") }],
    ...links.map(([path, to]): Entry => [{ path, type: "symlink", linkPath: encode(to) }]),
    [{ path: "tree/", type: "directory", mode: 0o755 }],
    [{ path: "tree/etc", type: "symlink", linkPath: encode("/etc") }],
    [{ path: "tree/etc2", type: "symlink", linkPath: encode("../../../../etc") }],
  ]]);
  const before = Deno.statSync("/etc").mtime;
  for (const path of ["abs", "up"]) {
    assertEquals(
      await sh(context, "hostile", `busybox ls /${path}`, "-v", `v-${path}:/${path}`),
      "hostname\nhosts\nmine\nresolv.conf\n",
    );
    // Those of the container's own are mounted on files that are empty.
    for (const { name } of Deno.readDirSync(data(context, `v-${path}`))) {
      const text = Deno.readTextFileSync(`${data(context, `v-${path}`)}/${name}`);
      assertEquals(text, name === "mine" ? "of the image" : "");
    }
  }
  // Links in the tree are links in the volume.
  await sh(context, "hostile", "true", "-v", "tree:/tree");
  assertEquals(Deno.readLinkSync(`${data(context, "tree")}/etc`), "/etc");
  await sh(context, "hostile", "echo x > /t/etc/made", "-v", "tree:/t");
  assertRefused(await mini(["run", "--rm", "-v", "vv:/loop", "hostile", "/bin/sh"]), 125, "/loop");
  // Looked up from outside of the pid namespace, there is nothing at /proc/self.
  const self = isMissing("openat2") ? "/inproc/self" : "/proc";
  for (const [path, says] of [["inproc", "/proc"], ["inproc/self", self], ["magic", "/magic"]] as const) {
    assertRefused(await mini(["run", "--rm", "-v", `vv:/${path}`, "hostile", "/bin/sh"]), 125, says);
  }
  await remove(context, "v-abs", "v-up", "tree");
  const layer = [[{ path: "x" }, "x"]] as Entry[];
  for (const [i, path] of ["/", "/..", "", "data", "../../etc", "/proc", "/x/../proc/sys", "/a\0b"].entries()) {
    await image(context, `bad${i}`, [layer], { Volumes: { [path]: {} } });
    assertRefused(await mini(["run", "--rm", `bad${i}`, "/bin/sh", "-c", "true"]), 125);
  }
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`/v/${i}`, {}]));
  await image(context, "many", [layer], { Volumes: many });
  assertRefused(await mini(["run", "--rm", "many", "/bin/sh"]), 125, "300 volumes");
  assertEquals((await mini(["volume", "ls", "-q"])).stdout, "");
  assertEquals(Deno.statSync("/etc").mtime, before);
});

miniTest("killed at any moment while a volume is filled, mini never shows a half of it", async (context) => {
  const { mini, start } = context;
  const FILES = 800;
  await image(context, "many", [[
    [{ path: "data/", type: "directory", mode: 0o755, uid: 1000 }],
    ...Array.from({ length: FILES }, (_, i): Entry => [{ path: `data/${i}` }, "x".repeat(i)]),
  ]]);
  const count = ["many", "/bin/sh", "-c", "set -- /data/*; echo $# $(busybox stat -c %u /data)"];
  await mini(["run", "--rm", ...count]);
  for (let i = 0; i < 8; i++) {
    const running = start(["run", "--rm", "-v", `v${i}:/data`, ...count]);
    await new Promise((resolve) => setTimeout(resolve, 15 + i * 15));
    running.kill(i % 3 === 0 ? "SIGTERM" : "SIGKILL");
    const { status, stdout, stderr } = await running.output;
    if (i % 3 === 0 && status !== 0) assertEquals([status, stdout, stderr], [143, "", ""]);
    // Whoever comes next fills it, or finds it filled.
    const next = await mini(["run", "--rm", "-v", `v${i}:/data`, ...count]);
    assertEquals([next.stderr, next.stdout], ["", `${FILES} 1000\n`]);
    assertEquals([...Deno.readDirSync(`${context.root}/volumes/v${i}`)].map(({ name }) => name).sort(), [
      "data",
      "lock",
      "volume.json",
    ]);
  }
  // Those that came to nothing are not there; all others go now.
  await mini(["system", "check"]);
  const { stdout } = await mini(["volume", "prune", "-af"]);
  assertStringIncludes(stdout, "Total reclaimed space");
});

miniTest("where the disk is full nothing is left in the volume", async (context) => {
  const { mini, folder } = context;
  await image(context, "big", [[
    [{ path: "data/", type: "directory", mode: 0o755 }],
    [{ path: "data/one" }, "x"],
    [{ path: "data/two" }, new Uint8Array(1_000_000).fill(1)],
  ]]);
  await mini(["volume", "create", "-o", "type=ramfs", "-o", "device=none", "unused"]);
  const tiny = `${folder}/tiny`;
  Deno.mkdirSync(tiny);
  const mounted = await new Deno.Command("mount", { args: ["-t", "tmpfs", "-o", "size=100k", "tmpfs", tiny] }).output();
  assertEquals(mounted.code, 0);
  try {
    await mini(["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", `device=${tiny}`, "tiny"]);
    assertRefused(await mini(["run", "--rm", "-v", "tiny:/data", "big", "/bin/sh"]), 125, "full", "nocopy");
    assertEquals([...Deno.readDirSync(tiny)], []);
    assertEquals(await sh(context, "big", "busybox ls -A /data", "-v", "tiny:/data:nocopy"), "");
  } finally {
    await new Deno.Command("umount", { args: [tiny] }).output();
  }
  await remove(context, "tiny", "unused");
});
