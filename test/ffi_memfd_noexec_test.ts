/** Where vm.memfd_noexec forbids to execute a memfd, programs run from an unlinked file instead. The setting is a pid namespace's. */
import { assertEquals } from "@std/assert";

const SETTING = "/proc/sys/vm/memfd_noexec";
const reason = (() => {
  if (Deno.uid() !== 0) return "needs root";
  try {
    Deno.statSync(SETTING);
  } catch {
    return `needs ${SETTING}`;
  }
  return undefined;
})();

/** Starts a program in a new pid namespace with the setting, then runs `more` there. Returns what is printed. */
function underSetting(value: number, more: string): string {
  const file = (name: string) => JSON.stringify(import.meta.resolve(`../ffi/${name}.ts`));
  const code = `import { spawn, waitForExit } from ${file("spawn")};
    const files = () => [...Deno.readDirSync("/run")].filter((entry) => entry.name.startsWith("mini-")).length;
    const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const start = () => spawn([{ call: "nanosleep", args: [{ words: [0, 5_000_000] }, 0], why: "live a moment" },
      { call: "exit_group", args: [7], why: "end" }]);
    const before = [files(), open()];
    ${more}`;
  // A /run of its own, in which nobody else makes and removes files meanwhile.
  const script = `mount -t tmpfs none /run && echo "$1" > ${SETTING} && exec "$2" eval "$3"`;
  const command = new Deno.Command("unshare", {
    args: ["--pid", "--fork", "--mount-proc", "sh", "-c", script, "sh"]
      .concat([String(value), Deno.execPath(), code]),
    stderr: "inherit",
  });
  return new TextDecoder().decode(command.outputSync().stdout).trim();
}

for (const [value, path] of [[0, "/memfd:mini (deleted)"], [1, "/memfd:mini (deleted)"], [2, "/run/mini-"]] as const) {
  Deno.test({
    name: `with vm.memfd_noexec = ${value} a program runs from ${path}${reason ? ` (${reason})` : ""}`,
    ignore: reason !== undefined,
    fn() {
      const output = underSetting(
        value,
        `const { pid, pidfd, results } = start();
        console.log(Deno.readLinkSync("/proc/" + pid + "/exe").replace(/[0-9a-f]{8}-.*/, ""));
        console.log(waitForExit(pidfd).code, files() - before[0], open() - before[1] - 2);`,
      );
      // No file is left, and no descriptor but the pidfd and the results, which are the caller's.
      assertEquals(output, `${path}\n7 0 0`);
    },
  });
}

Deno.test({
  name: `where /run cannot be executed from either, one sentence says so${reason ? ` (${reason})` : ""}`,
  ignore: reason !== undefined,
  fn() {
    // unshare --mount-proc has made a mount namespace of its own.
    const output = underSetting(
      2,
      `new Deno.Command("mount", { args: ["-t", "tmpfs", "-o", "noexec", "none", "/run"] }).outputSync();
      try { start(); } catch (error) { console.log(error.name, error.message); }
      console.log(files(), open() - before[1]);`,
    );
    assertEquals(
      output,
      "MiniError the kernel refuses to execute mini's own program: /run may be mounted noexec\n0 0",
    );
  },
});

Deno.test({
  name: `where /run is full, the failure leaves nothing there${reason ? ` (${reason})` : ""}`,
  ignore: reason !== undefined,
  fn() {
    const output = underSetting(
      2,
      `new Deno.Command("mount", { args: ["-t", "tmpfs", "-o", "size=4k", "none", "/run"] }).outputSync();
      try { start(); } catch (error) { console.log(error.name, error.message); }
      console.log(files(), open() - before[1]);`,
    );
    assertEquals(output, "SyscallError write: no space left on device (ENOSPC)\n0 0");
  },
});
