/** The filter of system calls in real containers, and `--security-opt seccomp=…`. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertRefused, miniTest, until } from "./harness.ts";

const STATUS = "sed -n 's/^Seccomp\\(_filters\\)\\?:\\t//p' /proc/self/status";
const run = (...words: string[]) => ["run", "--rm", ...words];

miniTest(
  "every container has one filter: with a terminal, an init, another user, and without no-new-privileges",
  async ({ inside }) => {
    for (
      const flags of [[], ["--tty"], ["--init"], ["--user", "1000"], ["--security-opt", "no-new-privileges=false"], [
        "--init",
        "--user",
        "1000",
        "--security-opt",
        "no-new-privileges=false",
      ]]
    ) {
      assertEquals((await inside(STATUS, ...flags)).replaceAll("\r", ""), "2\n1\n", flags.join(" "));
    }
  },
);

miniTest("PID 1 of --init has the filter too, so that nothing gets around it by ptrace", async ({ inside }) => {
  assertEquals(await inside("sed -n 's/^Seccomp:\\t//p' /proc/1/status", "--init"), "2\n");
});

miniTest("a program of exec has the container's filter", async ({ mini, start }) => {
  for (const [option, expected] of [["builtin", "2\n1\n"], ["unconfined", "0\n0\n"]] as const) {
    const running = start(
      run("--name", option, "--security-opt", `seccomp=${option}`, "starter", "sh", "-c", "echo up; sleep 1000"),
    );
    await until("its start", () => running.stdout() === "up\n");
    const output = await mini(["exec", option, "sh", "-c", STATUS]);
    assertEquals(output.stdout, expected);
    await mini(["kill", option]);
  }
});

miniTest("unconfined is without a filter, builtin the default's", async ({ inside }) => {
  assertEquals(await inside(STATUS, "--security-opt", "seccomp=unconfined"), "0\n0\n");
  assertEquals(await inside(STATUS, "--security-opt", "seccomp:unconfined"), "0\n0\n");
  assertEquals(
    await inside(STATUS, "--security-opt", "seccomp=unconfined", "--security-opt", "seccomp=builtin"),
    "2\n1\n",
  );
});

miniTest("a namespace cannot be made, not even one of users", async ({ inside }) => {
  const script = "for flag in m u i n p U C; do unshare -$flag true 2>/dev/null && echo $flag; done; echo none";
  assertEquals(await inside(script), "none\n");
});

miniTest("a capability opens the calls that it is there for", async ({ mini }) => {
  const rename = (...flags: string[]) => mini(run(...flags, "starter", "sh", "-c", "hostname other && hostname"));
  assertEquals((await rename()).status, 1);
  assertEquals(await rename("--cap-add", "SYS_ADMIN"), { status: 0, stdout: "other\n", stderr: "" });
  assertEquals((await mini(run("--cap-drop", "SYS_CHROOT", "starter", "chroot", "/", "true"))).status, 1);
  assertEquals((await mini(run("starter", "chroot", "/", "true"))).status, 0);
});

/** A profile in Docker's format, with its conditions. */
const PROFILE = {
  defaultAction: "SCMP_ACT_ALLOW",
  defaultErrnoRet: null,
  archMap: [
    { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
    { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
    { architecture: "SCMP_ARCH_S390X", subArchitectures: null },
  ],
  syscalls: [
    {
      names: ["mkdir", "mkdirat"],
      action: "SCMP_ACT_ERRNO",
      errnoRet: 28,
      args: null,
      comment: "",
      includes: {},
      excludes: {},
    },
    { name: "chroot", action: "SCMP_ACT_ERRNO", excludes: { caps: ["CAP_SYS_ADMIN"] } },
    { names: ["sethostname"], action: "SCMP_ACT_ERRNO", includes: { caps: ["CAP_SYS_ADMIN"], minKernel: "4.8" } },
    { names: ["execve"], action: "SCMP_ACT_KILL", includes: { arches: ["s390x"] } },
    { names: ["execve"], action: "SCMP_ACT_KILL", includes: { minKernel: "999.0" } },
    { names: ["no_such_call"], action: "SCMP_ACT_KILL" },
  ],
};

async function written(folder: string, profile: unknown): Promise<string> {
  const path = `${folder}/profile.json`;
  await Deno.writeTextFile(path, typeof profile === "string" ? profile : JSON.stringify(profile));
  return `seccomp=${path}`;
}

miniTest("a file in Docker's format, with conditions, is carried out", async ({ folder, mini }) => {
  const option = await written(folder, PROFILE);
  const script = "mkdir /x; chroot / true; hostname other; echo done";
  const few = await mini(run("--security-opt", option, "starter", "sh", "-c", script));
  assertEquals(few.stdout, "done\n");
  assertStringIncludes(few.stderr, "mkdir: can't create directory '/x': No space left on device");
  assertStringIncludes(few.stderr, "chroot");
  const many = await mini(run("--security-opt", option, "--cap-add", "SYS_ADMIN", "starter", "sh", "-c", script));
  assertEquals(many.stderr.includes("chroot"), false, many.stderr);
  assertStringIncludes(many.stderr, "hostname");
});

miniTest("what a container's config.json holds is the specification's section", async ({ folder, mini, root }) => {
  const option = await written(folder, PROFILE);
  assertEquals((await mini(["run", "--name", "kept", "--security-opt", option, "starter", "true"])).status, 0);
  const [{ name }] = [...Deno.readDirSync(`${root}/containers`)].filter((entry) =>
    entry.isDirectory && /^[0-9a-f]{64}$/.test(entry.name)
  ) as [Deno.DirEntry];
  const { linux: { seccomp } } = JSON.parse(await Deno.readTextFile(`${root}/containers/${name}/config.json`));
  assertEquals(seccomp.syscalls, [
    { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 },
    { names: ["chroot"], action: "SCMP_ACT_ERRNO" },
    { names: ["no_such_call"], action: "SCMP_ACT_KILL" },
  ]);
  assertEquals(seccomp.defaultAction, "SCMP_ACT_ALLOW");
  await mini(["rm", "kept"]);
});

miniTest("a profile that kills ends the container as the signal does", async ({ folder, mini }) => {
  const option = await written(folder, {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_KILL_PROCESS" }],
  });
  assertEquals((await mini(run("--security-opt", option, "starter", "mkdir", "/x"))).status, 128 + 31);
});

miniTest("a profile under which not even our own calls go is told", async ({ folder, mini }) => {
  const option = await written(folder, {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["setgroups"], action: "SCMP_ACT_ERRNO" }],
  });
  const flags = ["--security-opt", option];
  assertEquals((await mini(run(...flags, "starter", "true"))).status, 0);
  // Without no_new_privs it has to be loaded before.
  assertRefused(
    await mini(run(...flags, "--security-opt", "no-new-privileges=false", "starter", "true")),
    125,
    "setgroups",
  );
});

const WRONG: [unknown, ...string[]][] = [
  ["{", "is not JSON"],
  ["[]", "is not a seccomp profile"],
  [{}, "linux.seccomp.defaultAction", "nothing"],
  [{ defaultAction: "SCMP_ACT_ALLOW", rules: [] }, '"rules"'],
  [{ defaultAction: "SCMP_ACT_ALLOW", syscalls: 5 }, "syscalls is not a list"],
  [{ defaultAction: "SCMP_ACT_ALLOW", syscalls: [5] }, "syscalls[0] is not an object"],
  [
    { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["read"], name: "read", action: "SCMP_ACT_LOG" }] },
    "name and names",
  ],
  [
    { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["read"], action: "SCMP_ACT_LOG", include: {} }] },
    '"include"',
  ],
  [
    { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["read"], action: "SCMP_ACT_LOG", includes: { cap: [] } }] },
    '"cap"',
  ],
  [{
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["read"], action: "SCMP_ACT_LOG", includes: { minKernel: "new" } }],
  }, '"new"'],
  [{ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["read"], action: "LOG" }] }, "syscalls[0] (read)", '"LOG"'],
  [{ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["read"], action: "SCMP_ACT_NOTIFY" }] }, "SCMP_ACT_NOTIFY"],
  [{ defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86"], archMap: [{}] }, "architectures and archMap"],
];

miniTest("a profile that is wrong is refused in a sentence that says where", async ({ folder, mini }) => {
  for (const [profile, ...words] of WRONG) {
    const option = await written(folder, profile);
    assertRefused(await mini(run("--security-opt", option, "starter", "true")), 125, ...words);
  }
  assertRefused(
    await mini(run("--security-opt", "seccomp=/no/such", "starter", "true")),
    125,
    "/no/such",
    "no such file",
  );
  assertRefused(await mini(run("--security-opt", "seccomp=", "starter", "true")), 125, "unconfined, builtin or a file");
});
