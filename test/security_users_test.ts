/** Other users of the machine: what they can put in an ordinary user's way. */
import { assertEquals } from "@std/assert";
import { assertRefused } from "./harness.ts";
import { USER, userTest } from "./rootless_harness.ts";

const STATE = `/tmp/mini-${USER}`, OTHER = USER + 1;

userTest("the state's folder in /tmp that another user has made first is not used", async ({ mini, folder }) => {
  const env = { XDG_RUNTIME_DIR: "" };
  // What the other one would like to have written to, and by whom.
  const trap = `${folder}/trap`;
  Deno.mkdirSync(trap, { mode: 0o777 });
  Deno.chmodSync(trap, 0o777);
  const makers: readonly [what: string, make: () => void][] = [
    ["a folder of the other user's", () => {
      Deno.mkdirSync(STATE);
      Deno.chmodSync(STATE, 0o777);
      Deno.chownSync(STATE, OTHER, OTHER);
    }],
    ["a link", () => Deno.symlinkSync(trap, STATE)],
    ["a link to a folder of the user's own", () => {
      Deno.chownSync(trap, USER, USER);
      Deno.symlinkSync(trap, STATE);
    }],
    ["a file", () => {
      Deno.writeTextFileSync(STATE, "");
      Deno.chownSync(STATE, USER, USER);
    }],
  ];
  for (const [what, make] of makers) {
    make();
    try {
      assertRefused(await mini(["run", "--rm", "starter", "true"], { env }), 125, "XDG_RUNTIME_DIR");
      assertRefused(await mini(["ps"], { env }), 1, "XDG_RUNTIME_DIR");
      assertEquals([...Deno.readDirSync(trap)], [], what);
      if (Deno.lstatSync(STATE).isDirectory) assertEquals([...Deno.readDirSync(STATE)], [], what);
    } finally {
      Deno.removeSync(STATE, { recursive: true });
    }
  }
});

userTest("a folder in /tmp of the user's own is closed to others before it is used", async ({ mini }) => {
  Deno.mkdirSync(STATE);
  Deno.chmodSync(STATE, 0o777);
  Deno.chownSync(STATE, USER, USER);
  try {
    assertEquals((await mini(["run", "--rm", "starter", "echo", "x"], { env: { XDG_RUNTIME_DIR: "" } })).stdout, "x\n");
    assertEquals(Deno.statSync(STATE).mode! & 0o7777, 0o700);
  } finally {
    Deno.removeSync(STATE, { recursive: true });
  }
});
