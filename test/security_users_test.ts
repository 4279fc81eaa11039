/** Other users of the machine: what they can put in an ordinary user's way. */
import { assertEquals } from "@std/assert";
import { assertRefused } from "./harness.ts";
import { USER, userTest } from "./rootless_harness.ts";

const OTHER = USER + 1;

/** The user's commands have a /tmp of their own, `tmp` in the test's folder, with the tests' configuration if that is in /tmp. */
const OPTIONS = {
  env: { XDG_RUNTIME_DIR: "" },
  prepare: `
    config=$(cat $MINI_CONFIG)
    mount --bind $folder/tmp /tmp
    [ -e $MINI_CONFIG ] || { mkdir -p $(dirname $MINI_CONFIG); echo "$config" > $MINI_CONFIG; }`,
};

/** @returns where the state is, seen from outside. */
function makeTmp(folder: string): string {
  Deno.mkdirSync(`${folder}/tmp`);
  Deno.chmodSync(`${folder}/tmp`, 0o1777);
  return `${folder}/tmp/mini-${USER}`;
}

userTest("the state's folder in /tmp that another user has made first is not used", async ({ mini, folder }) => {
  const state = makeTmp(folder);
  // What the other one would like to have written to, and by whom.
  const trap = `${folder}/trap`;
  Deno.mkdirSync(trap, { mode: 0o777 });
  Deno.chmodSync(trap, 0o777);
  const makers: readonly [what: string, make: () => void][] = [
    ["a folder of the other user's", () => {
      Deno.mkdirSync(state);
      Deno.chmodSync(state, 0o777);
      Deno.chownSync(state, OTHER, OTHER);
    }],
    ["a link", () => Deno.symlinkSync(trap, state)],
    ["a link to a folder of the user's own", () => {
      Deno.chownSync(trap, USER, USER);
      Deno.symlinkSync(trap, state);
    }],
    ["a file", () => {
      Deno.writeTextFileSync(state, "");
      Deno.chownSync(state, USER, USER);
    }],
  ];
  for (const [what, make] of makers) {
    make();
    try {
      assertRefused(await mini(["run", "--rm", "starter", "true"], OPTIONS), 125, "XDG_RUNTIME_DIR");
      assertRefused(await mini(["ps"], OPTIONS), 1, "XDG_RUNTIME_DIR");
      assertEquals([...Deno.readDirSync(trap)], [], what);
      if (Deno.lstatSync(state).isDirectory) assertEquals([...Deno.readDirSync(state)], [], what);
    } finally {
      Deno.removeSync(state, { recursive: true });
    }
  }
});

userTest("a folder in /tmp of the user's own is closed to others before it is used", async ({ mini, folder }) => {
  const state = makeTmp(folder);
  Deno.mkdirSync(state);
  Deno.chmodSync(state, 0o777);
  Deno.chownSync(state, USER, USER);
  try {
    assertEquals((await mini(["run", "--rm", "starter", "echo", "x"], OPTIONS)).stdout, "x\n");
    assertEquals(Deno.statSync(state).mode! & 0o7777, 0o700);
  } finally {
    Deno.removeSync(state, { recursive: true });
  }
});
