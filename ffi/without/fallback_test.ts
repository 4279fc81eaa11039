import { assertEquals } from "@std/assert";
import * as K from "../constants.ts";
import { Errno } from "../errors.ts";
import { close } from "../kernel.ts";
import { op, type Operation, result } from "../program.ts";
import { readable } from "../reactor.ts";
import { shellStatus, spawn, waitForExit } from "../spawn.ts";
import { Fallback } from "./fallback.ts";

const how = { words: [K.O_PATH | K.O_CLOEXEC, 0, K.RESOLVE_IN_ROOT | K.RESOLVE_NO_MAGICLINKS] };

/** What becomes of a program that opens `paths` in `root`, the first of which may be missing. */
async function opens(root: string, paths: readonly string[], isAnswered = true) {
  const fallback = new Fallback({ openat2: true, mounts: false, marking: false });
  const program: Operation[] = [
    op("openat", [K.AT_FDCWD, root, K.O_PATH | K.O_CLOEXEC, 0], "the root", { name: "root" }),
    ...paths.map((path, i) =>
      op("openat2", [result("root"), path, how, 24], `open ${path}`, { name: `${i}`, on: path, optional: i === 0 })
    ),
    op("fstat", [result(`${paths.length - 1}`), { cell: "stat", size: 256 }], "is it open?"),
    op("exit_group", [0], "done"),
  ];
  const spawned = spawn(fallback.lower([program], false).flat(), { pass: fallback.descriptors });
  fallback.descriptors.forEach(close);
  if (isAnswered) fallback.follow(spawned);
  else fallback.close();
  await readable(spawned.pidfd);
  const { results } = spawned, failure = results.failure();
  const told = {
    status: shellStatus(waitForExit(spawned.pidfd)),
    isThere: paths.map((_, i) => (results.at(results.program.findIndex(({ name }) => name === `${i}`)) ?? -1) >= 0),
    failure: failure && [failure.operation.insteadOf, failure.operation.on, failure.errno],
  };
  close(spawned.pidfd);
  results.close();
  fallback.close();
  return told;
}

Deno.test("a program that asks for paths gets what is in its root, or the error that openat2 gives", async () => {
  const root = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${root}/etc`);
    Deno.writeTextFileSync(`${root}/etc/passwd`, "");
    Deno.symlinkSync("/etc/passwd", `${root}/link`);
    Deno.symlinkSync("../../../../../etc/os-release", `${root}/up`);
    Deno.symlinkSync("loop", `${root}/loop`);
    assertEquals(await opens(root, ["nothing", "link", "/etc/../link", "."]), {
      status: 0,
      isThere: [false, true, true, true],
      failure: undefined,
    });
    for (
      const [path, errno] of [["up", Errno.ENOENT], ["loop", Errno.ELOOP], ["etc/passwd/x", Errno.ENOTDIR]] as const
    ) {
      assertEquals(await opens(root, ["etc", path]), {
        status: 127,
        isThere: [true, false],
        failure: ["openat2", path, errno],
      });
    }
    // One that nobody answers ends by itself: writing fails, or there is nothing to read.
    assertEquals((await opens(root, ["etc", "link"], false)).status !== 0, true);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
