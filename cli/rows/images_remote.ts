/** The commands that talk to registries: their flags, and what help and completion say about them. */

import type { CommandRow, Flag } from "../command.ts";

const REGISTRY = "Registries";

/** How registries are reached: the flags of every command that talks to one. */
export const registryFlags: readonly Flag[] = [
  {
    name: "config",
    kind: "string",
    placeholder: "file",
    heading: REGISTRY,
    complete: "file",
    description: "Mirrors and insecure registries [MINI_CONFIG; /etc/mini/config.json]",
  },
  {
    name: "tls-verify",
    kind: "boolean",
    default: "true",
    heading: REGISTRY,
    description: "Verify certificates and refuse plain HTTP [MINI_INSECURE_REGISTRIES]",
  },
];

const mirrorFlag: Flag = {
  name: "mirror",
  kind: "list",
  placeholder: "[domain=]url",
  heading: REGISTRY,
  description: "Ask this address first, for docker.io or the given domain [MINI_REGISTRY_MIRROR]",
};

const quiet: Flag = { name: "quiet", short: "q", kind: "boolean", description: "Print the image's full name only" };

/** `mini pull` without its implementation. */
export const pull: CommandRow = {
  name: "pull",
  aliases: ["image pull"],
  group: "Images",
  summary: "Download an image from a registry",
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  flags: [
    { name: "all-tags", short: "a", kind: "boolean", description: "Download all tagged images of the repository" },
    {
      name: "platform",
      kind: "string",
      placeholder: "os/arch[/variant]",
      values: ["linux/amd64", "linux/arm64", "linux/arm/v7"],
      description: "The platform to choose from an image for several",
    },
    quiet,
    ...registryFlags,
    mirrorFlag,
  ],
  positionals: { min: 1, max: 1, needs: "an image", complete: ["image"] },
  examples: [
    { command: "mini pull alpine", comment: "docker.io/library/alpine:latest" },
    { command: "mini pull --platform linux/arm64 ghcr.io/user/app:1", comment: "For another machine" },
    { command: "mini pull --mirror http://127.0.0.1:5000 alpine", comment: "From a mirror of docker.io" },
  ],
};

/** `mini push` without its implementation. */
export const push: CommandRow = {
  name: "push",
  aliases: ["image push"],
  group: "Images",
  summary: "Upload an image to a registry",
  usage: "[OPTIONS] NAME[:TAG]",
  flags: [
    { name: "all-tags", short: "a", kind: "boolean", description: "Upload all tagged images of the repository" },
    quiet,
    ...registryFlags,
  ],
  positionals: { min: 1, max: 1, needs: "an image", complete: ["image"] },
  examples: [{ command: "mini push registry.example/team/app:1", comment: "Under a name given by mini tag" }],
};

/** `mini login` without its implementation. */
export const login: CommandRow = {
  name: "login",
  group: "Images",
  summary: "Log in to a registry",
  usage: "[OPTIONS] [SERVER]",
  flags: [
    { name: "username", short: "u", kind: "string", description: "Name of the user" },
    { name: "password", short: "p", kind: "string", description: "Password or token; other users can see it in ps" },
    { name: "password-stdin", kind: "boolean", description: "Read the password from standard input" },
    ...registryFlags,
  ],
  positionals: { min: 0, max: 1 },
  examples: [
    { command: "mini login", comment: "To Docker Hub" },
    {
      command: "mini login -u ci --password-stdin registry.example < token",
      comment: "From a script; the password is in no command line",
    },
  ],
};

/** `mini logout` without its implementation. */
export const logout: CommandRow = {
  name: "logout",
  group: "Images",
  summary: "Log out of a registry",
  usage: "[SERVER]",
  flags: [],
  positionals: { min: 0, max: 1 },
  examples: [{ command: "mini logout registry.example", comment: "Forget the password" }],
};
