/** A real distribution: a Debian root made by mmdebstrap, as an image in a registry, pulled, compared with umoci's, and run. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Store } from "../images/store.ts";
import { miniTest, needsProgram } from "./harness.ts";
import { describeTree, runTool } from "./images_fixtures.ts";
import { startRegistry } from "./registry/server.ts";

const needs = ["mmdebstrap", "docker-registry", "skopeo", "umoci"].map(needsProgram);

/** The entries of a tree, with the host's view of it: no overlay is needed for one layer. */
async function compare(ours: string, theirs: string): Promise<number> {
  const mine = await describeTree(ours), other = await describeTree(theirs);
  for (const path of new Set([...mine.keys(), ...other.keys()])) assertEquals(mine.get(path), other.get(path), path);
  return mine.size;
}

miniTest(
  "Debian goes to a registry and comes back the same as umoci unpacks it, and its programs run",
  async (context) => {
    const { mini, folder } = context, long = { timeout: 120_000 };
    const tar = `${folder}/debian.tar`;
    await runTool("mmdebstrap", "--quiet", "--variant=apt", "bookworm", tar);
    await using registry = await startRegistry();
    const name = `${registry.host}/library/debian:bookworm`;
    const imported = await mini(["import", "-c", 'CMD ["bash"]', tar, name], long);
    assertEquals([imported.status, imported.stderr], [0, ""]);
    const pushed = await mini(["push", name], long);
    assertEquals(pushed.status, 0, pushed.stderr);
    // Another machine: nothing but the registry.
    assertEquals((await mini(["rmi", name])).status, 0);
    assertEquals((await mini(["system", "prune", "-a", "-f"])).status, 0);
    const pulled = await mini(["pull", "-q", name], long);
    assertEquals([pulled.status, pulled.stdout, pulled.stderr], [0, `${name}\n`, ""]);

    await runTool("skopeo", "copy", "-q", "--src-tls-verify=false", `docker://${name}`, `oci:${folder}/layout:test`);
    await runTool("umoci", "unpack", "--image", `${folder}/layout:test`, `${folder}/bundle`);
    const [layer, ...more] = new Store(context.root).image(name).layers;
    assertEquals(more, []);
    assert(await compare(layer!, `${folder}/bundle/rootfs`) > 5000);

    const inside = async (...command: string[]) => {
      const { status, stdout, stderr } = await mini(["run", "--rm", name, ...command], long);
      assertEquals([status, stderr], [0, ""]);
      return stdout.trim();
    };
    assertMatch(await inside("cat", "/etc/debian_version"), /^12\./);
    assertMatch(
      await inside("sh", "-c", "dpkg --audit && dpkg-query -W -f '${Status}\\n' | sort -u"),
      /^install ok installed$/,
    );
    // The package manager works as root with the default capabilities: it drops to its own user and back.
    assertEquals(await inside("sh", "-c", "apt-get -qq check && echo fine && id -u _apt"), "fine\n42");
    assertMatch(await inside("perl", "-e", "print 6*7"), /^42$/);
  },
  needs,
);
