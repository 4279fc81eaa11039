/** The commands about images that are here, as a user types them, and archives exchanged with skopeo. Needs root. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { diskUsage } from "../images/df.ts";
import { Store } from "../images/store.ts";
import { addImage, describeTree, isRoot, layerTar, runTool, withFolder } from "./images_fixtures.ts";
import { MINI } from "./harness.ts";

const options = { ignore: !isRoot, sanitizeOps: false, sanitizeResources: false };
const DIR = { type: "directory", mode: 0o755 } as const;

interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}
type Bash = (line: string) => Promise<Outcome>;

/** Runs lines of bash in an empty folder, with `mini` in PATH and a store of its own. */
async function withMini(test: (bash: Bash, store: Store, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/bin`);
    Deno.symlinkSync(MINI, `${folder}/bin/mini`);
    Deno.mkdirSync(`${folder}/work`);
    const environment = { PATH: `${folder}/bin:${Deno.env.get("PATH")}`, HOME: folder, LC_ALL: "C.UTF-8" };
    const bash: Bash = async (line) => {
      const { code, stdout, stderr } = await new Deno.Command("bash", {
        args: ["-o", "pipefail", "-c", line],
        cwd: `${folder}/work`,
        env: { ...environment, MINI_ROOT: `${folder}/root`, MINI_STATE: `${folder}/state` },
        clearEnv: true,
        stdin: "null",
      }).output();
      const decoder = new TextDecoder();
      return { status: code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    };
    await test(bash, new Store(`${folder}/root`), `${folder}/work`);
  });
}

async function succeed(bash: Bash, line: string): Promise<string> {
  const { status, stdout, stderr } = await bash(line);
  assertEquals([status, stderr], [0, ""], line);
  return stdout;
}

async function fail(bash: Bash, line: string, why: string): Promise<void> {
  const { status, stderr } = await bash(line);
  assertEquals(status, 1, `${line}: ${stderr}`);
  assertMatch(stderr, /^mini: [^\n]+[^.]\n$/, line);
  assertStringIncludes(stderr, why, line);
}

const one = layerTar([{ ...DIR, path: "./" }], [{ ...DIR, path: "bin" }], [
  { path: "bin/sh", mode: 0o755 },
  "x".repeat(1_500_000),
]);
const two = layerTar([{ path: "etc/motd" }, "hello"]);

Deno.test({
  name: "images, tag and rmi show and change names as Docker does",
  ...options,
  fn: () =>
    withMini(async (bash, store) => {
      assertEquals(await succeed(bash, "mini images"), "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
      await addImage(store, "alpine:3", [one], { Labels: { a: "b" } });
      await addImage(store, "ghcr.io/team/app", [one, two]);
      const id = store.images.resolve("alpine:3")!.id, other = store.images.resolve("ghcr.io/team/app")!.id;
      const short = (text: string) => text.slice(7, 19);
      const lines = (await succeed(bash, "mini images")).split("\n");
      assertEquals(lines.length, 4);
      assert(lines.includes(`alpine             3         ${short(id)}   N/A       1.5MB`), lines.join("\n"));
      assertEquals((await succeed(bash, "mini images -q")).split("\n").sort(), ["", short(id), short(other)].sort());
      assertEquals(await succeed(bash, "mini image ls --no-trunc -q alpine"), `${id}\n`);
      assertEquals(
        await succeed(bash, "mini images --format '{{.Repository}}:{{.Tag}}' --filter label=a=b"),
        "alpine:3\n",
      );
      assertEquals(
        await succeed(bash, "mini images --format '{{.Repository}}' --filter 'reference=ghcr.io/*/*'"),
        "ghcr.io/team/app\n",
      );
      assertStringIncludes(await succeed(bash, "mini images --digests"), "DIGEST");
      assertEquals(JSON.parse(await succeed(bash, "mini images --format json alpine")).Size, "1.5MB");
      assertEquals(await succeed(bash, "mini images -q --filter until=24h --filter label=a=b"), `${short(id)}\n`);
      await fail(bash, "mini images --filter until=whenever", "the filter until is a time such as");
      await fail(bash, "mini images --filter nonsense=1", "there is no filter 'nonsense'");
      await fail(bash, "mini images --filter dangling=perhaps", "true or false");

      await succeed(bash, `mini tag ${short(id)} localhost:5000/mine`);
      assertEquals((await succeed(bash, "mini images -q localhost:5000/mine")).trim(), short(id));
      await fail(bash, "mini tag nothing x", "No such image: nothing");
      await fail(bash, "mini tag alpine:3 Bad", "lower case");
      await fail(bash, `mini rmi ${short(id)}`, "has several names (alpine:3, localhost:5000/mine:latest)");
      assertEquals(await succeed(bash, "mini rmi localhost:5000/mine"), "Untagged: localhost:5000/mine:latest\n");
      const removed = await bash("mini rmi nothing alpine:3");
      assertEquals([removed.status, removed.stderr], [1, "mini: No such image: nothing\n"]);
      const forced = await bash("mini rmi -f nothing");
      assertEquals([forced.status, forced.stdout, forced.stderr], [0, "", "mini: No such image: nothing\n"]);
      assertEquals(removed.stdout, `Untagged: alpine:3\nDeleted: ${id}\n`);
      assertEquals(await succeed(bash, "mini images -q"), `${short(other)}\n`);
      assertEquals((await succeed(bash, "mini rmi -f " + short(other))).split("\n").length, 5);
      assertEquals(await succeed(bash, "mini images -q"), "");
      assertEquals([...Deno.readDirSync(`${store.folder}/layers`)], []);
    }),
});

Deno.test({
  name: "an image that a container uses is not removed, and with force only its name",
  ...options,
  fn: () =>
    withMini(async (bash, store) => {
      await addImage(store, "used:1", [one]);
      const { id, diffIDs, layers } = store.image("used:1");
      Deno.mkdirSync(`${store.root}/containers/0123456789abcdef`, { recursive: true });
      const record = {
        ...{ version: 1, id: "0123456789abcdef", name: "one", created: "2026-01-01T00:00:00Z", autoRemove: false },
        ...{ layers: diffIDs, imageId: id, image: "used:1" },
        config: { args: ["true"], env: [], labels: {}, stopSignal: "SIGTERM", user: "" },
        startedAt: "2026-01-01T00:00:00Z",
        end: { exitCode: 0, finishedAt: "2026-01-01T00:00:01Z" },
      };
      Deno.writeTextFileSync(`${store.root}/containers/0123456789abcdef/container.json`, JSON.stringify(record));
      await fail(bash, "mini rmi used:1", "the container 0123456789ab uses the image used:1");
      assertStringIncludes(await succeed(bash, "mini image prune -af"), "Total reclaimed space: 0B");
      const usage = (await succeed(bash, "mini system df")).replaceAll(/ {2,}/g, "|");
      assertMatch(
        usage,
        /^TYPE\|TOTAL\|ACTIVE\|SIZE\|RECLAIMABLE\nImages\|1\|1\|3\.\d*MB\|\S+B \(\d+%\)\nContainers\|1\|0\|\S+B\|\S+B \(100%\)\nLocal Volumes\|0\|0\|0B\|0B\n$/,
      );
      assertEquals(await succeed(bash, "mini rmi -f used:1"), `Untagged: used:1\nDeleted: ${id}\n`);
      assert(Deno.statSync(`${layers[0]}/bin/sh`).isFile);
    }),
});

Deno.test({
  name: "image prune removes images without a name, with -a all that nothing uses, and asks before",
  ...options,
  fn: () =>
    withMini(async (bash, store) => {
      await addImage(store, "kept:1", [one]);
      await addImage(store, undefined, [two]);
      await addImage(store, "labelled:1", [layerTar([{ path: "c" }])], { Labels: { keep: "yes" } });
      const { stdout } = await bash("echo n | mini image prune");
      assertStringIncludes(stdout, "Are you sure you want to continue? [y/N] ");
      assertEquals(store.images.list().length, 3);
      assertEquals(await succeed(bash, "mini images --filter dangling=true --format '{{.Repository}}'"), "<none>\n");
      assertMatch(
        await succeed(bash, "echo y | mini image prune"),
        /deleted: sha256:\w{64}\n\nTotal reclaimed space: [\d.]+kB\n$/,
      );
      assertEquals(store.images.list().length, 2);
      await succeed(bash, "mini image prune -a -f --filter label=keep=yes");
      assertEquals(store.images.list().map(({ names }) => names[0]), ["docker.io/library/kept:1"]);
      Deno.writeTextFileSync(`${store.folder}/ingest/sha256-${"0".repeat(64)}`, "an interrupted download");
      assertStringIncludes(await succeed(bash, "mini system prune -a -f"), "untagged: kept:1");
      assertEquals([...Deno.readDirSync(`${store.folder}/ingest`), ...Deno.readDirSync(`${store.folder}/layers`)], []);
    }),
});

Deno.test({
  name: "system df says what du says",
  ...options,
  fn: () =>
    withMini(async (bash, store) => {
      const hard = layerTar([{ path: "a" }, "x".repeat(100_000)], [{ type: "hardlink", path: "b", linkPath: "a" }], [{
        path: "sparse",
        records: [["GNU.sparse.map", "0,0"], ["GNU.sparse.size", "1000000000"]],
      }]);
      await addImage(store, "measured:1", [one, hard]);
      const du = Number((await runTool("du", "-s", "-B1", `${store.folder}`)).split("\t")[0]);
      assertEquals(diskUsage(`${store.folder}`), du);
      assertStringIncludes(
        await succeed(bash, "mini system df --format '{{.Type}} {{.Size}}'"),
        `Images ${(du / 1e6).toFixed(2).slice(0, 3)}`,
      );
    }),
});

Deno.test({
  name: "import makes an image, inspect and history describe it",
  ...options,
  fn: () =>
    withMini(async (bash, store, folder) => {
      Deno.writeFileSync(`${folder}/one.tar`, one);
      const changes = `-c 'CMD ["sh"]' -c 'ENV A=1 B="two words"' -c 'LABEL k=v' -c 'EXPOSE 80' -c 'WORKDIR /srv'`;
      const id =
        (await succeed(bash, `gzip -c one.tar | mini import -m hello ${changes} --platform linux/arm64 - mine:1`))
          .trim();
      assertMatch(id, /^sha256:\w{64}$/);
      const [image] = JSON.parse(await succeed(bash, "mini image inspect mine:1"));
      assertEquals([image.Id, image.RepoTags, image.Architecture, image.Comment], [id, ["mine:1"], "arm64", "hello"]);
      const { Cmd, Env, Labels, ExposedPorts, WorkingDir } = image.Config;
      assertEquals([Cmd, Env, Labels, ExposedPorts, WorkingDir], [["sh"], ["A=1", "B=two words"], { k: "v" }, {
        "80/tcp": {},
      }, "/srv"]);
      assertEquals(
        await succeed(bash, "mini image inspect -f '{{index .Config.Env 0}} {{len .RootFS.Layers}}' mine:1"),
        "A=1 1\n",
      );
      const history = (await succeed(bash, "mini history mine:1")).replaceAll(/ {2,}/g, "|");
      assertMatch(history, /^IMAGE\|CREATED\|CREATED BY\|SIZE\|COMMENT\n\w{12}\|.* ago\|1\.5MB\|hello\n$/);
      assertEquals(await succeed(bash, "mini history -q --no-trunc mine:1"), `${id}\n`);
      assertEquals(store.image("mine:1").layers.length, 1);
      await succeed(bash, "mini import one.tar plain");
      await succeed(bash, "zstd -q one.tar && mini import one.tar.zst z");
      await fail(bash, "mini import missing.tar", "there is no file missing.tar");
      await fail(bash, "echo this is no tar archive at all | mini import -", "is damaged");
      await fail(bash, "mini import -c 'RUN x' one.tar", "must be CMD");
      await fail(bash, "xz -k -c one.tar | mini import -", "compressed with xz");
      const missing = await bash("mini image inspect nothing mine:1");
      assertEquals([missing.status, JSON.parse(missing.stdout).length, missing.stderr], [
        1,
        1,
        "mini: No such image: nothing\n",
      ]);
      assertEquals((await bash("mini image inspect nothing")).stdout, "[]\n");
    }),
});

Deno.test({
  name: "what is saved is loaded again with every name and digest, and the same images make the same archive",
  ...options,
  fn: () =>
    withMini(async (bash, store, folder) => {
      await addImage(store, "first:1", [one, two]);
      await addImage(store, "ghcr.io/second/app:2", [one]);
      await succeed(bash, "mini tag first:1 first:other");
      const before = store.images.list();
      await succeed(
        bash,
        "mini save -o all.tar first ghcr.io/second/app:2 && mini save first ghcr.io/second/app:2 > again.tar && cmp all.tar again.tar",
      );
      await succeed(
        bash,
        "mini save --format oci-archive -o oci.tar first:1 && mini save --format oci-dir -o dir first:1 ghcr.io/second/app:2",
      );
      for (const line of ["mini load -i all.tar", "gzip -c all.tar | mini load", "mini load < all.tar"]) {
        await succeed(bash, "mini rmi -f $(mini images -q)");
        assertEquals((await succeed(bash, line)).split("\n").sort(), [
          "",
          "Loaded image: first:1",
          "Loaded image: first:other",
          "Loaded image: ghcr.io/second/app:2",
        ]);
        assertEquals(
          store.images.list().map(({ stored: _, ...image }) => image),
          before.map(({ stored: _, ...image }) => image),
          line,
        );
      }
      await succeed(bash, "mini rmi -f $(mini images -q)");
      assertEquals(
        await succeed(bash, "mini load -q -i oci.tar; mini images --format '{{.Repository}}:{{.Tag}}'"),
        "first:1\n",
      );
      assertEquals((await succeed(bash, "mini load -i dir")).trim().split("\n").length, 2);
      const id = store.images.resolve("first:1")!.id;
      assertEquals(
        await succeed(
          bash,
          `mini save ${id.slice(7, 19)} > id.tar; mini rmi -f first:1 > /dev/null; mini load -i id.tar`,
        ),
        `Loaded image ID: ${id}\n`,
      );
      await fail(bash, "mini save nothing", "No such image: nothing");
      await fail(bash, "mini save -o missing/x.tar ghcr.io/second/app:2", "cannot be written");
      await fail(bash, "mini load -i missing.tar", "there is no file missing.tar");
      Deno.writeFileSync(`${folder}/one.tar`, one);
      await fail(bash, "mini load -i one.tar", "is no archive of images");
      await fail(bash, "head -c 100000 all.tar | mini load", "middle of an entry");
      // A blob that is not what its name says.
      await succeed(
        bash,
        "mkdir x && tar -C x -xf all.tar && for f in x/blobs/sha256/*; do printf X | dd of=$f bs=1 seek=600 conv=notrunc status=none; done; mini rmi -f $(mini images -q); true",
      );
      assertEquals((await bash("tar -C x -c . | mini load")).status, 1);
      assertEquals([...Deno.readDirSync(`${store.folder}/layers`)], []);
    }),
});

Deno.test({
  name: "skopeo reads what is saved and what it writes is loaded, with all digests kept",
  ...options,
  fn: () =>
    withMini(async (bash, store, folder) => {
      await addImage(store, "exchange:1", [one, two]);
      const manifest = store.image("exchange:1").manifestDigest;
      const { diffIDs, id } = store.image("exchange:1");
      await succeed(
        bash,
        "mini save -o docker.tar exchange:1 && mini save --format oci-archive -o oci.tar exchange:1 && mini save --format oci-dir -o dir exchange:1",
      );
      const policy = "skopeo --insecure-policy copy -q";
      const tree = await describeTree(store.image("exchange:1").layers[0]!);
      for (
        const source of [
          "docker-archive:docker.tar",
          "docker-archive:docker.tar:exchange:1",
          "oci-archive:oci.tar",
          "oci:dir",
        ]
      ) {
        const inspected = JSON.parse(await succeed(bash, `skopeo inspect --config ${source}`));
        assertEquals(inspected.rootfs.diff_ids, diffIDs, source);
        for (
          const target of [
            "docker-archive:out.tar:exchange:2",
            "oci-archive:out.tar:exchange:2",
            "oci:out:exchange:2",
            "dir:plain",
          ]
        ) {
          const isExact = source.startsWith("oci") && target.startsWith("oci");
          const how = isExact ? "--preserve-digests" : "";
          await succeed(bash, `rm -rf out out.tar plain; ${policy} ${how} ${source} ${target}`);
          if (target.startsWith("dir")) continue;
          await succeed(bash, "mini rmi -f $(mini images -q)");
          const loaded = await succeed(bash, target.startsWith("oci:") ? "mini load -i out" : "mini load -i out.tar");
          assertStringIncludes(loaded, "exchange:2", `${source} ${target}`);
          const image = store.image("exchange:2");
          assertEquals(image.diffIDs, diffIDs);
          assertEquals(await describeTree(image.layers[0]!), tree);
          // Between Docker's form and OCI's skopeo writes the configuration anew, in other words.
          if (source.slice(0, 3) === target.slice(0, 3)) assertEquals(image.id, id);
          if (isExact) assertEquals(image.manifestDigest, manifest);
        }
      }
      // What older versions of Docker wrote: folders of layers, with links for those that are shared.
      Deno.mkdirSync(`${folder}/old/aa`, { recursive: true });
      Deno.mkdirSync(`${folder}/old/bb`);
      Deno.writeFileSync(`${folder}/old/aa/layer.tar`, one);
      Deno.symlinkSync("../aa/layer.tar", `${folder}/old/bb/layer.tar`);
      const config = {
        architecture: "amd64",
        os: "linux",
        rootfs: { type: "layers", diff_ids: [diffIDs[0], diffIDs[0]] },
      };
      Deno.writeTextFileSync(`${folder}/old/config.json`, JSON.stringify(config));
      const list = [{ Config: "config.json", RepoTags: ["old:1"], Layers: ["aa/layer.tar", "bb/layer.tar"] }];
      Deno.writeTextFileSync(`${folder}/old/manifest.json`, JSON.stringify(list));
      assertEquals(await succeed(bash, "tar -C old -c . | mini load"), "Loaded image: old:1\n");
      Deno.writeTextFileSync(`${folder}/old/manifest.json`, JSON.stringify([{ ...list[0], Layers: ["aa/layer.tar"] }]));
      await fail(bash, "tar -C old -c . | mini load", "lists 2 layers, but there are 1");
      Deno.writeTextFileSync(
        `${folder}/old/manifest.json`,
        JSON.stringify([{ ...list[0], Layers: ["../../etc/passwd", "x"] }]),
      );
      await fail(bash, "tar -C old -c . | mini load", "lacks");
    }),
});

Deno.test({
  name: "a full disk at any stage of import, load, tag and save is told in one sentence, and nothing half-made stays",
  ...options,
  fn: () =>
    withMini(async (bash, store, folder) => {
      await addImage(store, "full:1", [one, two]);
      await succeed(bash, "mini save -o full.tar full:1");
      Deno.writeFileSync(`${folder}/one.tar`, one);
      let failures = 0;
      for (const size of [100, 400, 1_000, 1_600, 1_800, 2_500, 3_100, 3_400, 4_000, 6_000]) {
        for (const line of ["mini import one.tar x:1", "mini load -i full.tar", "mini load < full.tar"]) {
          // In a mount namespace of its own, on a small disk. What is left is shown after the garbage collection.
          const inside =
            `mount -t tmpfs -o size=${size}k tmpfs $MINI_ROOT && { ${line}; echo status $?; mini images -q > /dev/null || exit 3
            mini image prune -f > /dev/null || exit 4; cd $MINI_ROOT/images && find ingest leases layers blobs -type f -o -name '.tmp*' | wc -l; }`;
          const { status, stdout, stderr } = await bash(`mkdir -p $MINI_ROOT; unshare -m bash -c '${inside}'`);
          assertEquals(status, 0, `${size} ${line}: ${stderr}`);
          if (stdout.includes("status 0")) continue;
          failures++;
          assertMatch(stderr, /^mini: [^\n]*(disk|space)[^\n]*[^.\n]\n$/, `${size} ${line}`);
          assert(!stderr.includes("defect"), stderr);
          assertEquals(stdout, "status 1\n0\n", `${size} ${line}`);
        }
      }
      assert(failures >= 12, `only ${failures} ran into the end of the disk`);
      const save = await bash(
        `mkdir small; unshare -m sh -c 'mount -t tmpfs -o size=500k tmpfs small && mini save -o small/x.tar full:1; ls -A small'`,
      );
      assertMatch(save.stderr, /^mini: small\/x\.tar cannot be written: No space left on device\n$/);
      assertEquals(save.stdout, "");
    }),
});
