/** `mini pull`, `push`, `login` and `logout` against Debian's docker-registry, filled and read by skopeo. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { digestOf } from "../images/digest.ts";
import { Store } from "../images/store.ts";
import { Layout, noise } from "./registry/image.ts";
import { Lab, MINI, missing } from "./registry/lab.ts";
import { capture, deadAddress, type RegistryServer, run, startRegistry } from "./registry/server.ts";
import { isInstalled } from "./mini_command.ts";

const ignore = missing.length > 0;
if (ignore) console.error(`tests with a real registry are skipped: ${missing.join(", ")} not installed`);

/** A test with a folder and a registry of its own. */
function test(name: string, body: (lab: Lab, registry: RegistryServer) => Promise<void>, without = false): void {
  Deno.test({
    name,
    ignore: ignore || without,
    async fn() {
      await using lab = await Lab.create();
      await using registry = await startRegistry();
      await body(lab, registry);
    },
  });
}

const mirrored = ({ host }: RegistryServer) => ({ env: { MINI_REGISTRY_MIRROR: `http://${host}` } });

test(
  "mini pull alpine: through a mirror, Docker's lines, and the second time there is nothing to do",
  async (lab, registry) => {
    const layout = await lab.layout({ layers: ["busybox", { "etc/os-release": "NAME=test\n" }] });
    await layout.push(registry.host, "library/alpine:latest");
    const first = await lab.ok(["pull", "alpine"], mirrored(registry));
    const lines = first.trimEnd().split("\n");
    assertEquals(lines.slice(0, 2), ["Using default tag: latest", "latest: Pulling from library/alpine"]);
    assertEquals(lines.slice(-3), [
      `Digest: ${layout.digest}`,
      "Status: Downloaded newer image for alpine:latest",
      "docker.io/library/alpine:latest",
    ]);
    for (const digest of layout.layers) {
      const id = digest.slice(7, 19);
      for (const state of ["Pulling fs layer", "Verifying Checksum", "Download complete", "Pull complete"]) {
        assert(lines.includes(`${id}: ${state}`), `${id}: ${state} is missing in:\n${first}`);
      }
    }
    const second = (await lab.ok(["pull", "alpine"], mirrored(registry))).split("\n");
    assertEquals(second[3], "Status: Image is up to date for alpine:latest");
    assertEquals(await lab.ok(["pull", "-q", "alpine"], mirrored(registry)), "docker.io/library/alpine:latest\n");

    const image = new Store(`${lab.folder}/root`).image("alpine");
    assertEquals(Deno.readTextFileSync(`${image.layers[1]}/etc/os-release`), "NAME=test\n");
    assertEquals(await run(`${image.layers[0]}/bin/busybox`, ["echo", "it runs"]), "it runs\n");
  },
);

test(
  "mirrors come from the flag, the environment and the file, in this order, then the registry",
  async (lab, registry) => {
    await (await lab.layout({ layers: [{ a: "b" }] })).push(registry.host, "team/app:1");
    using flagged = deadAddress(), set = deadAddress(), written = deadAddress();
    const [flag, environment, file] = [flagged, set, written].map(({ host }) => `http://${host}`) as [
      string,
      string,
      string,
    ];
    const config = { registries: { "registry.invalid": { mirrors: [file] } } };
    await Deno.writeTextFile(`${lab.folder}/config.json`, JSON.stringify(config));
    const args = ["pull", "--mirror", `registry.invalid=${flag}`, "registry.invalid/team/app:1"];
    const sentence = await lab.fails(args, { env: { MINI_REGISTRY_MIRROR: `registry.invalid=${environment}` } });
    const places = [flag, environment, file, "registry.invalid cannot be reached"].map((text) =>
      sentence.indexOf(text)
    );
    assert(places.every((place, i) => place > (places[i - 1] ?? 0)), sentence);
    // A dead mirror does not stand in the way of one that answers.
    config.registries["registry.invalid"].mirrors.push(`http://${registry.host}`);
    await Deno.writeTextFile(`${lab.folder}/config.json`, JSON.stringify(config));
    assertEquals(await lab.ok([...args.slice(0, 3), "-q", args[3]!]), "registry.invalid/team/app:1\n");
  },
);

test("a configuration that cannot be meant is refused", async (lab) => {
  const table: [config: string, words: string][] = [
    ["{", "not valid JSON"],
    ['{"registries":[]}', "must be an object"],
    ['{"registries":{"docker.io":{"mirror":["http://x"]}}}', 'has "mirror"; only'],
    ['{"registries":{"docker.io":{"mirrors":["x"]}}}', "is not a mirror's address"],
    ['{"registries":{"docker.io":{"insecure":"yes"}}}', "must be true or false"],
  ];
  for (const [config, words] of table) {
    await Deno.writeTextFile(`${lab.folder}/config.json`, config);
    assertStringIncludes(await lab.fails(["pull", "alpine"]), words);
  }
  assertStringIncludes(
    await lab.fails(["pull", "--config", "/nowhere.json", "alpine"]),
    "cannot read the configuration",
  );
});

test("the image for this machine is chosen from an index, another with --platform", async (lab, registry) => {
  const layout = await Layout.create(`${lab.folder}/index`);
  const own = Deno.build.arch === "x86_64" ? "amd64" : "arm64", other = own === "amd64" ? "arm64" : "amd64";
  const images = [
    await layout.image({ layers: [{ where: other }], architecture: other }),
    await layout.image({ layers: [{ where: own }], architecture: own }),
    await layout.image({ layers: [{ where: "s390x" }], architecture: "s390x" }),
  ];
  const index = await layout.index(images);
  await layout.tag(index);
  await layout.push(registry.host, "multi:1");
  const name = `${registry.host}/multi:1`;
  const where = () => Deno.readTextFileSync(`${new Store(`${lab.folder}/root`).image(name).layers[0]}/where`);
  assertStringIncludes(await lab.ok(["pull", name]), `Digest: ${index.digest}`);
  assertEquals(where(), own);
  await lab.ok(["pull", "--platform", "linux/s390x", name]);
  assertEquals(where(), "s390x");
  const sentence = await lab.fails(["pull", "--platform", "linux/riscv64", name]);
  assertStringIncludes(sentence, `has no image for linux/riscv64; it has linux/${other}, linux/${own}, linux/s390x`);
  assertEquals(where(), "s390x"); // what was here stays
  assertStringIncludes(await lab.fails(["pull", "--platform", "toaster", name]), "is not a platform");
  // One image without an index: only what was asked for by name is refused.
  await lab.ok(["pull", `${registry.host}/multi@${images[2]!.digest}`]);
  const only = await lab.fails(["pull", "--platform", "linux/arm/v7", `${registry.host}/multi@${images[2]!.digest}`]);
  assertStringIncludes(only, "is only for linux/s390x, not for linux/arm/v7");
});

test("gzip, zstd and plain layers, and Docker's schema 2, all give the same files", async (lab, registry) => {
  for (const compression of ["gzip", "zstd", "none"] as const) {
    const layout = await lab.layout({ layers: [{ "a/b": compression }, { big: noise(700_000) }], compression });
    await layout.push(registry.host, `kind:${compression}`);
    await lab.ok(["pull", "-q", `${registry.host}/kind:${compression}`]);
    const { layers } = new Store(`${lab.folder}/root`).image(`${registry.host}/kind:${compression}`);
    assertEquals(Deno.readTextFileSync(`${layers[0]}/a/b`), compression);
    assertEquals(await digestOf(Deno.readFileSync(`${layers[1]}/big`)), await digestOf(noise(700_000)));
  }
  const layout = await lab.layout({ layers: [{ c: "docker" }] });
  await run("skopeo", [
    ...["--insecure-policy", "copy", "-q", "--format", "v2s2", "--dest-tls-verify=false"],
    ...[`oci:${layout.folder}:latest`, `docker://${registry.host}/kind:docker`],
  ]);
  const { mediaType } = await lab.inspect(`${registry.host}/kind:docker`);
  assertEquals(mediaType, "application/vnd.docker.distribution.manifest.v2+json");
  await lab.ok(["pull", "-q", `${registry.host}/kind:docker`]);
});

test("a name with a digest gives that image only", async (lab, registry) => {
  const layout = await lab.layout({ layers: [{ a: "b" }] });
  await layout.push(registry.host, "app:1");
  const name = `${registry.host}/app@${layout.digest}`;
  assertEquals((await lab.ok(["pull", name])).trimEnd().split("\n").at(-1), name);
  assertEquals(await lab.ok(["pull", "-q", `${registry.host}/app:1@${layout.digest}`]), `${name}\n`);
  assertEquals(new Store(`${lab.folder}/root`).image(name).manifestDigest, layout.digest);
  assertStringIncludes(await lab.fails(["pull", `${registry.host}/app@sha256:${"0".repeat(64)}`]), "does not have it");
  assertStringIncludes(await lab.fails(["pull", `${registry.host}/app:2`]), "does not have it (manifest unknown)");
  assertStringIncludes(await lab.fails(["pull", `${registry.host}/App`]), "lower case");
});

test("all tags of a repository are pulled and pushed with -a", async (lab, registry) => {
  for (const tag of ["1", "2", "3"]) await (await lab.layout({ layers: [{ tag }] })).push(registry.host, `many:${tag}`);
  assertEquals(await lab.ok(["pull", "-a", "-q", `${registry.host}/many`]), `${registry.host}/many\n`);
  const store = new Store(`${lab.folder}/root`);
  assertEquals(
    store.images.list().flatMap(({ names }) => names).sort(),
    ["1", "2", "3"].map((tag) => `${registry.host}/many:${tag}`),
  );
  for (const tag of ["1", "2", "3"]) store.images.tag(`${registry.host}/many:${tag}`, `${registry.host}/copies:${tag}`);
  const pushed = await lab.ok(["push", "-a", `${registry.host}/copies`]);
  for (const tag of ["1", "2", "3"]) {
    assertMatch(pushed, new RegExp(`^${tag}: digest: sha256:[0-9a-f]{64} size: \\d+$`, "m"));
  }
  assertStringIncludes(await lab.fails(["pull", "-a", `${registry.host}/many:1`]), "cannot have a tag");
  assertStringIncludes(await lab.fails(["push", "-a", `${registry.host}/none`]), "no image of");
});

test(
  "push uploads what is missing, mounts what another repository has, and keeps the digest",
  async (lab, registry) => {
    const layout = await lab.layout({ layers: [{ a: "b" }, { big: noise(3_000_000) }] });
    await layout.push(registry.host, "from:1");
    await lab.ok(["pull", "-q", `${registry.host}/from:1`]);
    await using other = await startRegistry();
    const store = new Store(`${lab.folder}/root`);
    for (const name of [`${other.host}/x:1`, `${other.host}/y`, `${registry.host}/to:1`]) {
      store.images.tag(
        `${registry.host}/from:1`,
        name,
      );
    }
    const ids = layout.layers.map((digest) => digest.slice(7, 19));

    const uploaded = (await lab.ok(["push", `${other.host}/x:1`])).trimEnd().split("\n");
    assertEquals(uploaded[0], `The push refers to repository [${other.host}/x]`);
    for (const id of ids) assert(uploaded.includes(`${id}: Pushed`), uploaded.join("\n"));
    assertMatch(uploaded.at(-1)!, new RegExp(`^1: digest: ${layout.digest} size: \\d+$`));
    const again = await lab.ok(["push", `${other.host}/x:1`]);
    for (const id of ids) assertStringIncludes(again, `${id}: Layer already exists`);
    const mounted = await lab.ok(["push", `${registry.host}/to:1`]);
    for (const id of ids) assertStringIncludes(mounted, `${id}: Mounted from from`);
    assertEquals(await lab.ok(["push", "-q", `${other.host}/y`]), `${other.host}/y:latest\n`);

    for (const name of [`${other.host}/x:1`, `${registry.host}/to:1`, `${other.host}/y:latest`]) {
      await run("skopeo", [
        "--insecure-policy",
        "copy",
        "-q",
        "--src-tls-verify=false",
        `docker://${name}`,
        `dir:${lab.folder}/copy`,
      ]);
      assertEquals(await digestOf(Deno.readFileSync(`${lab.folder}/copy/manifest.json`)), layout.digest);
    }
    assertStringIncludes(await lab.fails(["push", `${other.host}/nothing`]), "no image");
    assertStringIncludes(await lab.fails(["push", `${other.host}/x@${layout.digest}`]), "not by a digest");
  },
);

test("an index is pushed as an index when all of it is here, else the image alone", async (lab, registry) => {
  const layout = await Layout.create(`${lab.folder}/index`);
  const own = await layout.image({
    layers: [{ a: "own" }],
    architecture: Deno.build.arch === "x86_64" ? "amd64" : "arm64",
  });
  const whole = await layout.index([own]);
  await layout.tag(whole);
  await layout.push(registry.host, "whole:1");
  const partial = await layout.index([own, await layout.image({ layers: [{ a: "other" }], architecture: "s390x" })]);
  await layout.tag(partial);
  await layout.push(registry.host, "partial:1");
  const store = new Store(`${lab.folder}/root`);
  await lab.ok(["pull", "-q", `${registry.host}/partial:1`]);
  store.images.tag(`${registry.host}/partial:1`, `${registry.host}/partial:2`);
  assertStringIncludes(await lab.ok(["push", `${registry.host}/partial:2`]), `2: digest: ${own.digest}`);
  await lab.ok(["pull", "-q", `${registry.host}/whole:1`]);
  assertStringIncludes(await lab.ok(["push", `${registry.host}/whole:1`]), `1: digest: ${whole.digest}`);
});

test("two pulls at once download each layer once", async (lab, registry) => {
  const layout = await lab.layout({ layers: [{ a: noise(3_000_000, 5) }, { b: noise(2_000_000, 6) }, { c: "d" }] });
  await layout.push(registry.host, "shared:1");
  const counts = new Map<string, number>();
  await using front = slowFront(registry, (path) => counts.set(path, (counts.get(path) ?? 0) + 1));
  const pulls = [1, 2, 3].map(() => lab.ok(["pull", `${front.host}/shared:1`]));
  for (const output of await Promise.all(pulls)) assertStringIncludes(output, "Status: ");
  for (const digest of layout.layers) assertEquals(counts.get(`/v2/shared/blobs/${digest}`), 1, digest);
  // The store is whole: everything can be read, nothing is left over.
  const store = new Store(`${lab.folder}/root`);
  await store.gc();
  assertEquals(store.image(`${front.host}/shared:1`).layers.length, 3);
  assertEquals([...Deno.readDirSync(`${store.folder}/ingest`)].map(({ name }) => name), []);
});

test("pulls and removals at once leave either the whole image or none", async (lab, registry) => {
  const layout = await lab.layout({ layers: [{ a: noise(900_000, 7) }, { b: "c" }] });
  await layout.push(registry.host, "x:1");
  const name = `${registry.host}/x:1`;
  const store = new Store(`${lab.folder}/root`);
  let isDone = false, removed = 0;
  const remove = async () => {
    for (; !isDone; await new Promise((resolve) => setTimeout(resolve, 3))) {
      for (const { manifest } of store.images.list()) store.images.remove(manifest), removed++;
      await store.gc();
    }
  };
  const pull = async () => {
    try {
      for (let round = 0; round < 6; round++) {
        const results = await Promise.all([lab.mini(["pull", name]), lab.mini(["pull", name])]);
        // Each pull succeeds; only in the instant after it the image may be gone again, which it may say.
        for (const { code, stderr } of results) {
          assert(code === 0 || /no image .* here|just been removed/.test(stderr), `round ${round}: ${stderr}`);
        }
      }
    } finally {
      isDone = true;
    }
  };
  // Both have ended before the test fails by one of them.
  for (const end of await Promise.allSettled([remove(), pull()])) if (end.status === "rejected") throw end.reason;
  assert(removed > 0);
  await lab.ok(["pull", name]);
  assertEquals(store.image(name).layers.map((layer) => Deno.statSync(layer).isDirectory), [true, true]);
});

test(
  "a pull that is killed is gone on with at its byte, and nothing was to be seen meanwhile",
  async (lab, registry) => {
    const layout = await lab.layout({ layers: [{ a: noise(8_000_000, 9) }] });
    await layout.push(registry.host, "x:1");
    const ranges: (string | null)[] = [];
    await using front = slowFront(registry, (path, request) => {
      if (path.endsWith(layout.layers[0]!)) ranges.push(request.headers.get("range"));
    }, 400);
    const name = `${front.host}/x:1`;
    const child = new Deno.Command(MINI, {
      args: ["--root", `${lab.folder}/root`, "pull", name],
      env: lab.environment(),
      stdout: "null",
      stderr: "null",
    }).spawn();
    const partial = `${lab.folder}/root/images/ingest/${layout.layers[0]!.replace(":", "-")}`;
    const sizeOf = () => Deno.stat(partial).then(({ size }) => size, () => 0);
    while (await sizeOf() < 1_000_000) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGKILL");
    await child.status;
    const store = new Store(`${lab.folder}/root`);
    assertEquals(store.images.list(), []);
    const size = await sizeOf();
    assert(size < 8_000_000);
    await lab.ok(["pull", name]);
    assertEquals(ranges, [null, `bytes=${size}-`]);
    await store.gc();
    assertEquals([...Deno.readDirSync(`${store.folder}/layers`)].filter((entry) => entry.name.startsWith(".tmp")), []);
  },
);

test(
  "what is behind a proxy is asked for through it, with its name and password, and this machine never",
  async (lab, registry) => {
    await (await lab.layout({ layers: [{ a: "b" }] })).push(registry.host, "app:1");
    const asked: string[] = [];
    const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      asked.push(`${request.headers.get("proxy-authorization")} ${new URL(request.url).host}`);
      return fetch(`http://${registry.host}${new URL(request.url).pathname}`, {
        redirect: "manual",
        headers: { accept: request.headers.get("accept")! },
      });
    });
    try {
      const address = `http://me:p%40ss@127.0.0.1:${proxy.addr.port}`;
      const env = { HTTP_PROXY: address, MINI_INSECURE_REGISTRIES: "registry.invalid" };
      await lab.ok(["pull", "-q", "registry.invalid/app:1"], { env });
      assertEquals([...new Set(asked)], [`Basic ${btoa("me:p@ss")} registry.invalid`]);
      assertEquals(asked.length, 3); // manifest, configuration, layer
      await lab.ok(["pull", "-q", `${registry.host}/app:1`], { env });
      assertEquals(asked.length, 3);
      const excluded = { ...env, NO_PROXY: "other,.invalid" };
      assertStringIncludes(
        await lab.fails(["pull", "registry.invalid/app:1"], { env: excluded }),
        "cannot be resolved",
      );
      assertStringIncludes(
        await lab.fails(["pull", "registry.invalid/app:1"], { env: { ...env, HTTP_PROXY: "ftp://x" } }),
        "HTTP_PROXY is not the address",
      );
    } finally {
      await proxy.shutdown();
    }
  },
);

test("a full disk is told and left as it was", async (lab, registry) => {
  await (await lab.layout({ layers: [{ small: "x" }, { big: noise(6_000_000, 3) }] })).push(registry.host, "app:1");
  const root = `${lab.folder}/small`;
  await Deno.mkdir(root);
  await run("mount", ["-t", "tmpfs", "-o", "size=8m", "none", root]);
  try {
    // The blob fits and its files do not; then not even the blob.
    for (const filler of [0, 3_000_000]) {
      await Deno.writeFile(`${root}/filler`, new Uint8Array(filler));
      const sentence = await lab.fails(["pull", `${registry.host}/app:1`], { root });
      assertStringIncludes(sentence, `the disk of ${root}/images is full`);
      const store = new Store(root);
      assertEquals(store.images.list(), []);
      await store.gc();
      for (const folder of ["ingest", "layers", "blobs/sha256", "leases"]) {
        assertEquals([...Deno.readDirSync(`${store.folder}/${folder}`)].map(({ name }) => name), [], folder);
      }
    }
  } finally {
    await run("umount", [root]);
  }
}, Deno.uid() !== 0);

test("on a terminal each layer has one line, which ends as it would elsewhere", async (lab, registry) => {
  const layout = await lab.layout({ layers: [{ a: noise(2_000_000, 4) }, { c: "d" }] });
  await layout.push(registry.host, "app:1");
  const typed = await capture("script", [
    "-qec",
    `stty cols 100 rows 30; exec ${MINI} --root ${lab.folder}/root pull ${registry.host}/app:1`,
    "/dev/null",
  ], { env: lab.environment({ TERM: "xterm" }) });
  assertEquals(typed.code, 0, typed.stdout);
  const screen = shownOf(typed.stdout);
  const begin = screen.indexOf(`1: Pulling from ${registry.host}/app`);
  assertEquals(screen.slice(begin + 1, begin + 6), [
    ...layout.layers.map((digest) => `${digest.slice(7, 19)}: Pull complete`),
    `Digest: ${layout.digest}`,
    `Status: Downloaded newer image for ${registry.host}/app:1`,
    `${registry.host}/app:1`,
  ]);
}, !isInstalled("script"));

/** What a terminal shows in the end of what was written to it: knows the few sequences that we use. */
function shownOf(text: string): string[] {
  const lines: string[] = [""];
  let row = 0;
  // deno-lint-ignore no-control-regex
  for (const part of text.split(/(\x1b\[\d*[A-Z]|\r?\n)/)) {
    // deno-lint-ignore no-control-regex
    const up = /^\x1b\[(\d+)A$/.exec(part);
    if (up) row -= Number(up[1]);
    else if (part.endsWith("\n")) row++;
    else if (part === "\x1b[J") lines.length = row + 1;
    else if (part !== "" && !part.startsWith("\x1b")) lines[row] = part.replaceAll("\r", "");
    lines[row] ??= "";
  }
  return lines;
}

/** The registry through a server of ours that sees every request, and passes bodies on in pieces with a pause between. */
function slowFront({ host }: RegistryServer, see: (path: string, request: Request) => void, pauseMs = 0) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const url = new URL(request.url);
    see(url.pathname, request);
    const headers = new Headers(request.headers);
    headers.delete("host");
    const answer = await fetch(`http://${host}${url.pathname}${url.search}`, {
      method: request.method,
      headers,
      redirect: "manual",
    });
    if (!answer.body || pauseMs === 0) return answer;
    const paced = answer.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        async transform(chunk, controller) {
          controller.enqueue(chunk);
          await new Promise((resolve) => setTimeout(resolve, pauseMs * chunk.length / 8_000_000));
        },
      }),
    );
    return new Response(paced, { status: answer.status, headers: answer.headers });
  });
  return { host: `127.0.0.1:${server.addr.port}`, [Symbol.asyncDispose]: () => server.shutdown() };
}
