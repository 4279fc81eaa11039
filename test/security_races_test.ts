/** Paths that somebody swaps while a container is being made: what is mounted and made must stay inside. */
import { assert, assertEquals } from "@std/assert";
import { type Context, miniTest } from "./harness.ts";

/** Swaps two names for each other, as fast as it can, until it is disposed of. */
function swap(folder: string, one: string, other: string): AsyncDisposable {
  const code = `
    const [folder, a, b] = Deno.args;
    for (;;) {
      try {
        Deno.renameSync(folder + "/" + a, folder + "/swap");
        Deno.renameSync(folder + "/" + b, folder + "/" + a);
        Deno.renameSync(folder + "/swap", folder + "/" + b);
      } catch {
        // somebody else has made the missing one in between
        try { Deno.removeSync(folder + "/" + a, { recursive: true }); } catch {}
        try { Deno.renameSync(folder + "/swap", folder + "/" + a); } catch {}
      }
    }`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", code, folder, one, other],
    env: { NO_COLOR: "1" },
  }).spawn();
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

/** A folder of the host that a hostile container would like to have. */
function makeOutside({ folder }: Context): string {
  const outside = `${folder}/outside`;
  Deno.mkdirSync(outside);
  Deno.writeTextFileSync(`${outside}/secret`, "secret\n");
  return outside;
}

/** Mounts of the host that have to do with the test. */
const mountsOf = ({ folder }: Context) =>
  Deno.readTextFileSync("/proc/self/mountinfo").split("\n").filter((line) => line.includes(folder));
const tree = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? [name, ...tree(`${folder}/${name}`).map((below) => `${name}/${below}`)] : [name]
  ).sort();

/** Starts for each kind of link: the swaps are some thousand times as many. */
const TRIES = 2;

miniTest("a mount's place that is swapped for a link leads nowhere outside (CVE-2021-30465)", async (context) => {
  const { mini, folder } = context, outside = makeOutside(context);
  const volume = `${folder}/volume`, inner = `${folder}/inner`;
  for (const path of [`${volume}/place`, inner]) Deno.mkdirSync(path, { recursive: true });
  Deno.writeTextFileSync(`${inner}/mark`, "inner\n");
  for (const target of [outside, "../".repeat(16) + outside.slice(1), "/", "/proc/self/cwd", "/proc/1/root"]) {
    const link = `${volume}/link`;
    Deno.symlinkSync(target, link);
    {
      await using _swapping = swap(volume, "place", "link");
      for (let i = 0; i < TRIES; i++) {
        const out = await mini([
          ...["run", "--rm", "-v", `${volume}:/v`, "-v", `${inner}:/v/place/deep`, "--tmpfs", "/v/place/tmp"],
          ...["starter", "sh", "-c", "find / -name secret 2>/dev/null; echo x > /v/place/deep/new; true"],
        ]);
        assert(!out.stdout.includes("secret"), out.stdout);
        assert([0, 125].includes(out.status), out.stderr);
        assert(!out.stderr.includes("internal error"), out.stderr);
      }
    }
    for (const name of ["link", "swap", "place"]) {
      await Deno.remove(`${volume}/${name}`, { recursive: true }).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
    Deno.mkdirSync(`${volume}/place`);
  }
  assertEquals(tree(outside), ["secret"]);
  assertEquals(mountsOf(context), []);
});

miniTest("folders of a root that are swapped for links lead nowhere outside", async (context) => {
  const { mini, folder, inside } = context, outside = makeOutside(context);
  const root = `${folder}/rootfs`;
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  await inside("cp /bin/busybox /v/sh", "-v", `${root}/bin:/v`);
  const watched = ["/dev/null", "/etc/passwd"].map((path) => [path, Deno.statSync(path).mode, Deno.statSync(path).ino]);
  for (const place of ["dev", "proc", "sys", "etc", "work"]) {
    Deno.mkdirSync(`${root}/${place}`, { recursive: true });
    Deno.symlinkSync(outside, `${root}/link`);
    {
      await using _swapping = swap(root, place, "link");
      for (let i = 0; i < TRIES; i++) {
        const out = await mini([
          ...["run", "--rm", "-t", "-w", "/work/deep", "--tmpfs", "/etc/tmp", "--sysctl", "net.ipv4.ip_forward=1"],
          ...["--rootfs", root, "sh", "-c", "echo x > /dev/new; echo x > /etc/new; echo x > /work/new; true"],
        ]);
        assert([0, 1, 2, 125, 126, 127].includes(out.status), `${place}: ${out.status} ${out.stderr}`);
        assert(!out.stderr.includes("internal error"), out.stderr);
      }
    }
    for (const name of ["link", "swap", place]) {
      await Deno.remove(`${root}/${name}`, { recursive: true }).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
    assertEquals(tree(outside), ["secret"], place);
  }
  assertEquals(mountsOf(context), []);
  assertEquals(
    ["/dev/null", "/etc/passwd"].map((path) => [path, Deno.statSync(path).mode, Deno.statSync(path).ino]),
    watched,
  );
});

miniTest(
  "links in a /dev of the image's or the user's own redirect no masked path, console or null device",
  async (context) => {
    const { mini, folder } = context, outside = makeOutside(context);
    // CVE-2025-31133 and -52565: what paths are hidden with, and the console, were found through links in the container.
    const before = {
      corePattern: Deno.readTextFileSync("/proc/sys/kernel/core_pattern"),
      null: Deno.statSync("/dev/null").ino,
    };
    const dev = `${folder}/dev`;
    const script = `cat /proc/kcore | head -c 1 | wc -c; cat /proc/keys | wc -c
    (echo hacked > /proc/sys/kernel/core_pattern) 2>/dev/null || echo denied; cat /proc/sysrq-trigger 2>/dev/null; true`;
    for (
      const target of [
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        `${outside}/secret`,
        "/proc/self/root/proc/kcore",
      ]
    ) {
      Deno.mkdirSync(dev);
      for (const name of ["null", "console", "ptmx", "tty", "zero", "full", "random", "urandom"]) {
        Deno.symlinkSync(
          target,
          `${dev}/${name}`,
        );
      }
      for (const name of ["pts", "shm", "mqueue"]) Deno.symlinkSync("/proc/sys", `${dev}/${name}`);
      for (const flags of [[], ["-t"]]) {
        const out = await mini(["run", "--rm", ...flags, "-v", `${dev}:/dev`, "starter", "sh", "-c", script]);
        assert(
          out.status !== 0 || out.stdout.replaceAll("\r", "").startsWith("0\n0\ndenied\n"),
          `${target}: ${out.stdout}${out.stderr}`,
        );
        assert(!out.stderr.includes("internal error"), out.stderr);
      }
      Deno.removeSync(dev, { recursive: true });
    }
    assertEquals(Deno.readTextFileSync(`${outside}/secret`), "secret\n");
    assertEquals(
      { corePattern: Deno.readTextFileSync("/proc/sys/kernel/core_pattern"), null: Deno.statSync("/dev/null").ino },
      before,
    );
  },
);
