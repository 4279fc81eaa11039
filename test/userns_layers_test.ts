/** Layers and folders whose ids are those inside of a container's user namespace, without a chown. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { DEFAULT_CAPABILITIES } from "../runtime/capabilities.ts";
import { type Context, miniTest, needsIdmaps, runCommand } from "./harness.ts";
import { FIRST_ID, ID_MAPS, makeRoot, makeSpec, runSpec } from "./runtime_specs.ts";

/** Layers have the ids of a user namespace by their mounts. */
const userTest: typeof miniTest = (name, body, needs = []) => miniTest(name, body, [...needs, needsIdmaps()]);

const LAYERS = 3;

/** Layers as an image's: the second one hides a file and a whole folder of the first one's. */
async function makeLayers(context: Context) {
  const { folder } = context;
  const bottom = await makeRoot(context);
  const lowers = [bottom, `${folder}/second`, `${folder}/third`];
  Deno.mkdirSync(`${bottom}/srv/old`, { recursive: true });
  Deno.writeTextFileSync(`${bottom}/srv/old/file`, "hidden");
  Deno.writeTextFileSync(`${bottom}/srv/gone`, "hidden");
  Deno.writeTextFileSync(`${bottom}/srv/kept`, "kept");
  Deno.chownSync(`${bottom}/srv/kept`, 33, 44);
  Deno.mkdirSync(`${folder}/second/srv/old`, { recursive: true });
  for (
    const command of [
      ["mknod", `${folder}/second/srv/gone`, "c", "0", "0"],
      ["setfattr", "-n", "trusted.overlay.opaque", "-v", "y", `${folder}/second/srv/old`],
      ["mknod", `${folder}/second/device`, "b", "1", "0"],
    ]
  ) assertEquals((await runCommand(command)).status, 0);
  Deno.mkdirSync(`${folder}/third`);
  for (const sub of ["upper", "work", "merged"]) Deno.mkdirSync(`${folder}/c/${sub}`, { recursive: true });
  // Nobody but root may come here.
  Deno.chmodSync(folder, 0o700);
  const c = `${folder}/c`;
  return { lowers, upper: `${c}/upper`, work: `${c}/work`, target: `${c}/merged` };
}

const USER = [{ type: "user" } as const];

userTest("layers and changes have the ids that they have inside", async (context) => {
  const layers = await makeLayers(context);
  assertEquals(layers.lowers.length, LAYERS);
  const script = `
    id -u; stat -c '%u:%g' / /srv /srv/kept; ls /srv /srv/old; grep -c ${FIRST_ID} /proc/self/uid_map
    touch /made; chown 5:6 /made; stat -c '%u:%g' /made; echo more >> /srv/kept; stat -c '%u:%g' /srv/kept
    rm -r /srv/old; mkdir -p /srv/old/new; mv /srv/kept /srv/renamed; ln /srv/renamed /srv/linked
    chown 70000 /made 2>/dev/null || echo not mapped
    head -c 1 /device 2>/dev/null || echo no device; mknod /own c 1 3 2>/dev/null || echo no node
    su -s /bin/sh nobody -c 'id -u; echo x > /srv/not' 2>/dev/null || echo not allowed`;
  for (const [i, volatile] of [false, true].entries()) {
    const spec = makeSpec(script, USER, ID_MAPS), capabilities = [...DEFAULT_CAPABILITIES];
    spec.process.capabilities = { bounding: capabilities, effective: capabilities, permitted: capabilities };
    const { status, output } = await runSpec(spec, layers.lowers[0]!, {
      root: { layers: { ...layers, volatile }, idmap: true },
    });
    assertEquals(
      [status, output.trim().split("\n")],
      [0, [
        ...[
          "0",
          "0:0",
          "0:0",
          "33:44",
          "/srv:",
          ...i ? ["linked", "old", "renamed"] : ["kept", "old"],
          "",
          "/srv/old:",
          "1",
        ],
        ...["5:6", "33:44", "not mapped", "no device", "no node", "65534", "not allowed"],
      ]],
    );
    const owners = ["made", "srv/renamed", "srv/old/new", "srv/linked"].map((path) => {
      const { uid, gid } = Deno.statSync(`${layers.upper}/${path}`);
      return `${uid}:${gid}`;
    });
    assertEquals(owners, ["5:6", "33:44", "0:0", "33:44"], "as if there were no user namespace");
    break;
  }
  // The layers are as they were.
  assertEquals(Deno.readTextFileSync(`${layers.lowers[0]}/srv/kept`), "kept");
  assertEquals(Deno.statSync(`${layers.lowers[0]}/bin/busybox`).uid, 0);
});

userTest("a folder as a root, and volumes, have the ids that they have inside", async (context) => {
  const directory = await makeRoot(context), volume = `${context.folder}/volume`;
  Deno.mkdirSync(volume);
  Deno.writeTextFileSync(`${volume}/file`, "");
  Deno.chownSync(`${volume}/file`, 7, 8);
  Deno.chmodSync(context.folder, 0o700);
  const spec = makeSpec("stat -c '%u:%g' /bin/busybox /v/file /w/file /x/file; touch /made /v/made", USER, ID_MAPS);
  const moved = [{ containerID: 7, hostID: FIRST_ID + 20, size: 2 }];
  spec.mounts!.push(
    { destination: "/v", type: "bind", source: volume, options: ["rbind", "ridmap"] },
    { destination: "/w", type: "bind", source: volume, options: ["rbind"] },
    {
      destination: "/x",
      type: "bind",
      source: volume,
      options: ["bind", "idmap"],
      uidMappings: moved,
      gidMappings: moved,
    },
  );
  const { status, output } = await runSpec(spec, directory, { root: { directory, idmap: true } });
  assertEquals([status, output], [0, "0:0\n7:8\n65534:65534\n20:21\n"]);
  assertEquals([Deno.statSync(`${directory}/made`).uid, Deno.statSync(`${volume}/made`).uid], [0, 0]);
  delete spec.linux!.uidMappings;
  delete spec.linux!.gidMappings;
  spec.linux!.namespaces = spec.linux!.namespaces!.filter((n) => n.type !== "user");
  const error = await assertRejects(() => runSpec(spec, directory, { root: { directory } }), MiniError);
  assert(error.message.includes("without a user namespace"), error.message);
});

userTest("a file system that cannot give its files other ids is told", async (context) => {
  const directory = await makeRoot(context);
  const spec = makeSpec("true", USER, ID_MAPS);
  spec.mounts!.push({ destination: "/v", type: "bind", source: "/proc/sys", options: ["bind", "idmap"] });
  const error = await assertRejects(() => runSpec(spec, directory, { root: { directory, idmap: true } }), MiniError);
  assert(error.message.includes("/proc/sys") && error.message.includes("other ids"), error.message);
});
