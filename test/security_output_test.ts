/** What a hostile image says of itself, on the user's terminal: nothing of it may steer that. */
import { assert, assertEquals } from "@std/assert";
import { miniTest } from "./harness.ts";
import { layerTar } from "./images_fixtures.ts";
import { inTerminal } from "./pty.ts";
import { digestOf } from "../images/digest.ts";

/** A title of the window, a colour in 8 bits, an operating system command, DEL, text from right to left, and a return. */
const STEERING = "\x1b]0;owned\x07\u009b31m\u009d\x7f\u202e\r";
// deno-lint-ignore no-control-regex
const STEERS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/;

/** An archive as `docker save` writes it, of an image that has such words wherever words are. */
async function hostileArchive(): Promise<Uint8Array<ArrayBuffer>> {
  const layer = layerTar([{ path: `file${STEERING}` }, "x"], [{ path: "vol", type: "directory", mode: 0o755 }]);
  const config = {
    architecture: Deno.build.arch === "x86_64" ? "amd64" : "arm64",
    os: "linux",
    author: `author${STEERING}`,
    comment: STEERING,
    created: "2020-01-01T00:00:00Z",
    config: {
      Cmd: ["/sleep", STEERING],
      Env: [`WORD=${STEERING}`],
      Labels: { [`label${STEERING}`]: STEERING },
      Volumes: { [`/vol/${STEERING}`]: {} },
      WorkingDir: `/work${STEERING}`,
      User: `user${STEERING}`,
    },
    rootfs: { type: "layers", diff_ids: [await digestOf(layer)] },
    history: [{ created: "2020-01-01T00:00:00Z", created_by: STEERING, comment: STEERING, author: STEERING }],
  };
  const manifest = [{ Config: "config.json", RepoTags: ["hostile:latest"], Layers: ["layer.tar"] }];
  return layerTar(
    [{ path: "manifest.json" }, JSON.stringify(manifest)],
    [{ path: "config.json" }, JSON.stringify(config)],
    [{ path: "layer.tar" }, layer],
  );
}

const NAME = "it";
const COMMANDS: readonly (readonly string[])[] = [
  ["images", "--digests"],
  ["images", "--format", "json"],
  ["image", "inspect", "hostile"],
  ["image", "inspect", "-f", "json", "hostile"],
  ["history", "--no-trunc", "hostile"],
  ["history", "--format", "json", "hostile"],
  ["create", "--name", NAME, "hostile"],
  ["start", NAME],
  ["run", "--rm", "-u", "0", "hostile"],
  ["run", "--rm", "-u", "0", "-w", "/", "hostile", `/no-such${STEERING}`],
  ["explain", "run", "-u", "0", "hostile"],
  ["explain", "--format", "json", "run", "-u", "0", "hostile"],
  ["ps", "-a", "--no-trunc"],
  ["ps", "-a", "--format", "json"],
  ["ps", "-a", "--format", "table {{.Names}}\t{{.Labels}}\t{{.Command}}\t{{.Mounts}}"],
  ["inspect", NAME],
  ["inspect", "-f", "{{json .Config}}", NAME],
  ["diff", NAME],
  ["cp", `${NAME}:/no-such${STEERING}`, "/"],
  ["cp", `${NAME}:/file${STEERING}/below`, "/"],
  ["events", "--since", "1h", "--until", "0s"],
  ["events", "--since", "1h", "--until", "0s", "--format", "json"],
  ["volume", "ls"],
  ["system", "df"],
  ["rm", "-v", NAME],
  ["rmi", "hostile"],
];

miniTest("words of a hostile image steer no terminal, whichever command shows them", async ({ mini, folder }) => {
  Deno.writeFileSync(`${folder}/hostile.tar`, await hostileArchive());
  assertEquals((await mini(["load", "-i", `${folder}/hostile.tar`])).status, 0);
  let shown = 0;
  for (const command of COMMANDS) {
    const { stdout, stderr } = await mini(command);
    for (const text of [stdout, stderr]) assert(!STEERS.test(text), `${command.join(" ")}: ${JSON.stringify(text)}`);
    if (/owned/.test(stdout + stderr)) shown++;
  }
  assert(shown >= 10, `${shown} of them show such words at all`);
});

miniTest("a template's values are as they are in a file, and steer no terminal", async ({ mini, folder, command }) => {
  Deno.writeFileSync(`${folder}/hostile.tar`, await hostileArchive());
  assertEquals((await mini(["load", "-i", `${folder}/hostile.tar`])).status, 0);
  const template = ["image", "inspect", "-f", "{{.Author}}\t\x1b[1m{{.Config.Labels}}\x1b[0m", "hostile"];
  const piped = (await mini(template)).stdout;
  assertEquals(piped, `author${STEERING}\t\x1b[1mmap[label${STEERING}:${STEERING}]\x1b[0m\n`);
  const { status, stdout } = await inTerminal([...command, ...template]);
  const escaped = "\\x1b]0;owned\\x07\\x9b31m\\x9d\\x7f\\u202e\\x0d";
  assertEquals(
    [status, stdout],
    [0, `author${escaped}\t\x1b[1mmap[label${escaped}:${escaped}]\x1b[0m\r\n`],
    "what the user has written is as the user has written it",
  );
});
