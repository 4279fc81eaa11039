/** Unpacking against umoci: the same image, entry by entry. Needs root, umoci and GNU tar. */
import { assert, assertEquals } from "@std/assert";
import { closeFd, fsetxattr, openat } from "../ffi/files.ts";
import { chooseImages, saveFolder } from "../images/archive_save.ts";
import { writeTree } from "../images/tar_tree.ts";
import {
  addImage,
  concat,
  describeTree,
  type Entry,
  isRoot,
  layerTar,
  runTool,
  unpack,
  withFolder,
  withStore,
} from "./images_fixtures.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../ffi/constants.ts";
import { Store } from "../images/store.ts";

const encoder = new TextEncoder();
const DIR = { type: "directory", mode: 0o755 } as const;
const at = (seconds: number, nanoseconds = 0) => ({ mtime: { seconds, nanoseconds } });

/** What the store makes of an image, seen through overlayfs, and what umoci makes of it. */
async function compareWithUmoci(store: Store, name: string): Promise<Map<string, string>> {
  return await withFolder(async (folder) => {
    await saveFolder(store, chooseImages(store, [name]), `${folder}/layout`);
    const reference = `${folder}/layout:${await referenceOf(`${folder}/layout`)}`;
    // umoci's implied folders follow the umask of whoever runs it.
    await runTool(
      "sh",
      "-c",
      'umask 022; exec "$@"',
      "sh",
      "umoci",
      "unpack",
      "--image",
      reference,
      `${folder}/bundle`,
    );
    const theirs = await describeTree(`${folder}/bundle/rootfs`);
    const ours = await describeStacked(store.image(name).layers, folder);
    for (const path of new Set([...ours.keys(), ...theirs.keys()])) {
      // Folders that the archive does not mention get the time at which they are made.
      const strip = (text?: string) => /^\.\/(deep|dotted)/.test(path) ? text?.replace(/^(40755 0:0) \S+/, "$1") : text;
      assertEquals(strip(ours.get(path)), strip(theirs.get(path)), path);
    }
    return ours;
  });
}

/** What overlayfs makes of unpacked layers, seen in a mount namespace of its own. */
async function describeStacked(layers: string[], folder: string): Promise<Map<string, string>> {
  Deno.mkdirSync(`${folder}/view`);
  const script = new URL("images_describe.ts", import.meta.url).pathname;
  const stack = layers.length > 1 ? [`${folder}/view`, ...layers.toReversed()] : layers;
  return new Map(
    JSON.parse(await runTool("unshare", "-m", Deno.execPath(), "run", "-A", "--no-check", script, ...stack)),
  );
}

/** umoci wants a reference name that is a plain word: the first image of the layout is given one. */
async function referenceOf(layout: string): Promise<string> {
  const index = JSON.parse(await Deno.readTextFile(`${layout}/index.json`));
  index.manifests[0].annotations["org.opencontainers.image.ref.name"] = "test";
  await Deno.writeTextFile(`${layout}/index.json`, JSON.stringify(index));
  return "test";
}

/** A file capability as the kernel stores it: cap_net_raw+ep, version 2. */
const CAPABILITY = new Uint8Array([1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const long = "n".repeat(120);

const bottom: Entry[] = [
  [{ ...DIR, path: "./", ...at(1000) }],
  [{ ...DIR, path: "bin/", ...at(1001) }],
  [{ path: "bin/setuid", mode: 0o4755, uid: 0, gid: 42, ...at(1002, 123456789) }, "#!"],
  [{ path: "bin/setgid", mode: 0o2711, uid: 7, gid: 8 }, "#!"],
  [{ path: "bin/capable", mode: 0o755, uid: 5, xattrs: [["security.capability", CAPABILITY]] }, "x"],
  [{ ...DIR, path: "tmp/", mode: 0o1777, ...at(1003) }],
  [{ ...DIR, path: "setgid/", mode: 0o2775, gid: 50 }],
  [{ path: "setgid/inside", mode: 0o640, uid: 1, gid: 2 }],
  [{ ...DIR, path: "setgid/below", mode: 0o700 }],
  [{
    path: "attributes",
    xattrs: [["user.text", encoder.encode("a=b\nc")], ["user.binary", new Uint8Array([0, 255, 10])], [
      "trusted.t",
      encoder.encode("t"),
    ]],
  }, "x"],
  [{ ...DIR, path: "attributed", xattrs: [["user.on-folder", encoder.encode("yes")]] }],
  [{ path: "empty", mode: 0 }],
  [{ path: "old", ...at(-1_000_000) }, "before 1970"],
  [{ path: "future", ...at(2 ** 33 + 5) }, "after 2038"],
  [{ path: "owner", uid: 3_000_000_000, gid: 4_000_000_000 }],
  [{ path: "hard1", mode: 0o600 }, "shared"],
  [{ type: "hardlink", path: "hard2", linkPath: "hard1" }],
  [{ type: "hardlink", path: "bin/hard3", linkPath: "./hard2" }],
  [{ type: "symlink", path: "link", linkPath: "bin/setuid", mode: 0o777, uid: 9, gid: 9, ...at(1004) }],
  [{ type: "symlink", path: "dangling", linkPath: "/nowhere/" + long, mode: 0o777 }],
  [{ type: "hardlink", path: "hard-symlink", linkPath: "dangling" }],
  [{ type: "char", path: "null", major: 1, minor: 3, mode: 0o666, uid: 3 }],
  [{ type: "block", path: "disk", major: 259, minor: 70000, mode: 0o660, gid: 6, ...at(1005) }],
  [{ type: "fifo", path: "fifo", mode: 0o622, ...at(1006) }],
  [{ path: `deep/${"d/".repeat(60)}${long}` }, "deep"],
  [{ path: new Uint8Array([0x66, 0xff, 0xfe, 0x80]) }, "not UTF-8"],
  [{ path: "space and\nnewline" }, "x"],
  [{ path: "ünïcode" }, "x"],
  [{ path: "big" }, new Uint8Array(3_000_000).map((_, i) => i * 7 >> 3)],
  [{ ...DIR, path: "unwritable", mode: 0o555, ...at(1007) }],
  [{ path: "unwritable/file", ...at(1008) }, "x"],
  [{ path: "twice" }, "first"],
  [{ path: "twice", mode: 0o600 }, "second"],
  [{ ...DIR, path: "twice-folder", mode: 0o700 }],
  [{ path: "twice-folder/kept" }],
  [{ ...DIR, path: "twice-folder", mode: 0o711, ...at(1009) }],
  [{ type: "symlink", path: "lib", linkPath: "usr/lib", mode: 0o777 }],
  [{ ...DIR, path: "usr" }],
  [{ ...DIR, path: "usr/lib" }],
  [{ path: "lib/through-link" }, "through"],
  [{ type: "symlink", path: "absolute", linkPath: "/usr", mode: 0o777 }],
  [{ path: "absolute/through-absolute" }, "through"],
  [{ ...DIR, path: "replaced" }],
  [{ path: "replaced/a" }],
  [{ path: "replaced" }, "a file now"],
  [{ path: "was-file" }],
  [{ ...DIR, path: "was-file", ...at(1010) }],
  [{ path: "./dotted//name/./x" }, "x"],
  [{ path: "/absolute-name" }, "x"],
  // What the layers above change.
  [{ ...DIR, path: "gone" }],
  [{ path: "gone/file" }],
  [{ path: "gone-file" }],
  [{ ...DIR, path: "emptied", mode: 0o750, ...at(1011) }],
  [{ path: "emptied/old" }],
  [{ ...DIR, path: "becomes-file" }],
  [{ path: "becomes-file/x" }],
  [{ path: "becomes-folder" }],
  [{ ...DIR, path: "remade" }],
  [{ path: "remade/old" }],
  [{ ...DIR, path: "merged", mode: 0o700 }],
  [{ path: "merged/below" }],
];

const middle: Entry[] = [
  [{ ...DIR, path: "./", ...at(1999) }],
  [{ path: ".wh.gone" }],
  [{ path: ".wh.gone-file" }],
  [{ ...DIR, path: "emptied", mode: 0o751, ...at(2000) }],
  [{ path: "emptied/.wh..wh..opq" }],
  [{ path: "emptied/new" }, "new"],
  [{ path: "becomes-file" }, "a file"],
  [{ ...DIR, path: "becomes-folder" }],
  [{ path: "becomes-folder/x" }, "x"],
  [{ path: ".wh.remade" }],
  [{ ...DIR, path: "remade", ...at(2001) }],
  [{ path: "remade/new" }, "new"],
  [{ ...DIR, path: "merged", mode: 0o755, ...at(2002) }],
  [{ path: "merged/above" }, "x"],
  [{ type: "hardlink", path: "merged/again", linkPath: "merged/above" }],
];

const top: Entry[] = [
  [{ ...DIR, path: "./", ...at(2999) }],
  [{ ...DIR, path: "gone", ...at(3000) }],
  [{ path: "gone/again" }, "x"],
  [{ path: ".wh.hard2" }],
  [{ ...DIR, path: "merged", mode: 0o711, ...at(3001) }],
  [{ path: "merged/.wh.below" }],
];

const options = { ignore: !isRoot, sanitizeOps: false, sanitizeResources: false };

Deno.test({
  name: "an image with every kind of entry is what umoci makes of it, entry by entry",
  ...options,
  fn: () =>
    withStore(async (store) => {
      await addImage(store, "torture:1", [layerTar(...bottom), layerTar(...middle), layerTar(...top)]);
      const tree = await compareWithUmoci(store, "torture:1");
      // And it is what it should be, so that the two are not wrong in the same way.
      assert(tree.get("./bin/setuid")!.startsWith("104755 0:42 1002.123456789"));
      assert(tree.get("./bin/capable")!.includes(`security.capability=${CAPABILITY}`));
      assert(tree.get("./hard1")!.endsWith("linked with ./bin/hard3"));
      assert(tree.get("./null")!.startsWith("20666 3:0 0.0 1:3"));
      assert(tree.get("./disk")!.startsWith("60660 0:6 1005.0 259:70000"));
      assert(tree.get("./owner")!.includes("3000000000:4000000000"));
      assert(
        tree.has("./f\\xff\\xfe\\x80") && tree.has("./usr/lib/through-link") && tree.has("./usr/through-absolute"),
      );
      assert(tree.get("./old")!.includes(" -1000000.0 ") && tree.get("./future")!.includes(` ${2 ** 33 + 5}.0 `));
      assert(!tree.has("./emptied/old") && tree.has("./emptied/new") && !tree.has("./remade/old"));
      assert(!tree.has("./gone/file") && tree.has("./gone/again") && !tree.has("./gone-file"));
      assert(tree.get("./becomes-file")!.startsWith("100644") && tree.get("./becomes-folder")!.startsWith("40755"));
    }),
});

Deno.test({
  name: "archives that GNU tar writes in its formats, with holes and attributes, are what umoci makes of them",
  ...options,
  fn: () =>
    withFolder(async (folder) => {
      const tree = `${folder}/tree`;
      await runTool(
        "bash",
        "-c",
        `set -e; mkdir -p ${tree}/d; cd ${tree}; truncate -s 50M sparse; printf middle | dd of=sparse bs=1 seek=20000000 conv=notrunc status=none
         truncate -s 9G huge; for i in $(seq 60); do printf x | dd of=many bs=1 seek=$((i * 100000)) conv=notrunc status=none; done
         head -c 100000 /dev/urandom > d/${long}; ln d/${long} d/hard; ln -s ${long.repeat(2)} d/${"s".repeat(150)}
         chown 1234567:7654321 d; chmod 3770 d; touch -d '1960-01-01 00:00:00.5' d/hard; setfattr -n user.a -v b sparse; mkfifo p`,
      );
      for (
        const format of [
          "gnu",
          "posix --sparse-version=0.0",
          "posix --sparse-version=0.1",
          "posix --sparse-version=1.0",
          "ustar",
        ]
      ) {
        await withStore(async (store) => {
          const args = format === "ustar"
            ? "--format=ustar --exclude=huge --exclude=d --exclude=sparse --exclude=many"
            : `--format=${format} --sparse`;
          const xattrs = format.startsWith("posix") ? "--xattrs --xattrs-include=*" : "";
          await runTool("bash", "-c", `tar -C ${tree} ${args} ${xattrs} --numeric-owner -cf ${folder}/layer.tar .`);
          await addImage(store, "gnu:1", [await Deno.readFile(`${folder}/layer.tar`)]);
          const made = await compareWithUmociOrTar(store, tree, format);
          assert(made.size >= 2);
        });
      }
    }),
});

/** GNU's holes are known to few: the tree itself says what is right. */
async function compareWithUmociOrTar(store: Store, tree: string, format: string): Promise<Map<string, string>> {
  const ours = await describeTree(store.image("gnu:1").layers[0]!);
  const original = await describeTree(tree);
  for (const [path, text] of ours) {
    const strip = (line: string) =>
      format.startsWith("posix") ? line : line.replace(/(\d)\.\d+ 0:0/, "$1 0:0").replace(/user\.a=\S*/, "");
    assertEquals(
      strip(text).replace(/linked with \S+/, ""),
      strip(original.get(path)!).replace(/linked with \S+/, ""),
      `${format} ${path}`,
    );
  }
  return ours;
}

Deno.test({
  name: "an image of 120 layers is what umoci makes of it",
  ...options,
  fn: () =>
    withStore(async (store) => {
      const layers = Array.from({ length: 120 }, (_, i) =>
        layerTar(
          [{ ...DIR, path: "./", ...at(i) }],
          [{ path: "all", mode: 0o600 + i % 8 }, `layer ${i}`],
          [{ path: `only-${i}` }, `${i}`],
          ...(i > 0 && i % 3 === 0 ? [[{ path: `.wh.only-${i - 1}` }] as Entry] : []),
        ));
      await addImage(store, "many:1", layers);
      const tree = await compareWithUmoci(store, "many:1");
      assertEquals([...tree.keys()].filter((path) => path.startsWith("./only-")).length, 120 - 39);
    }),
});

Deno.test({
  name: "a tree that is exported and unpacked again is the same, and so is its archive",
  ...options,
  fn: () =>
    withStore(async (store) => {
      const archive = async (folder: string) => {
        const fd = openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
        const parts: Uint8Array[] = [];
        try {
          await writeTree(fd, (bytes) => void parts.push(bytes.slice()));
        } finally {
          closeFd(fd);
        }
        return concat(...parts);
      };
      const sparse: Entry = [{
        path: "sparse",
        size: 20,
        records: [["GNU.sparse.map", "0,10,9000000,10"], ["GNU.sparse.size", "20000000"]],
      }, "0123456789abcdefghij"];
      const folder = await unpack(store, layerTar(...bottom, sparse));
      const first = await archive(folder);
      const again = await unpack(store, first);
      assert(first.length < 6_000_000, "holes are written as holes");
      assertEquals(await describeTree(again), await describeTree(folder));
      assertEquals(await archive(again), first);
    }),
});

Deno.test({
  name: "the umask, access lists and a setgid folder around the store change nothing",
  ...options,
  fn: async () => {
    // Version 2; owner rwx, user 1000 rwx, group r-x, mask rwx, others r-x: acl(5), linux/posix_acl_xattr.h.
    const list = new Uint8Array(4 + 5 * 8), view = new DataView(list.buffer);
    view.setUint32(0, 2, true);
    [[1, 7, -1], [2, 7, 1000], [4, 5, -1], [16, 7, -1], [32, 5, -1]].forEach(([tag, permissions, id], i) => {
      view.setUint16(4 + i * 8, tag!, true);
      view.setUint16(6 + i * 8, permissions!, true);
      view.setInt32(8 + i * 8, id!, true);
    });
    const entries: Entry[] = [...bottom.filter(([{ path }]) => path !== "./"), [{ ...DIR, path: "./", ...at(1) }]];
    const times = (tree: Map<string, string>) =>
      [...tree].map(([path, line]) => `${path} ${line.replace(/^(40755 0:0) \S+/, "$1")}`);
    const plain = await withStore(async (store) => await describeTree(await unpack(store, layerTar(...entries))));
    const special = await withFolder(async (folder) => {
      const fd = openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
      fsetxattr(fd, "system.posix_acl_default", list);
      closeFd(fd);
      Deno.chownSync(folder, 0, 33);
      Deno.chmodSync(folder, 0o2777);
      const before = Deno.umask(0o077);
      try {
        return await describeTree(await unpack(new Store(folder), layerTar(...entries)));
      } finally {
        Deno.umask(before);
      }
    });
    assertEquals(times(special), times(plain));
  },
});
