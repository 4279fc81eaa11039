/** The commands about the images that are here, without their implementations. */

import type { CommandRow } from "../command.ts";
import { doNotAsk, filterBy, listFormat, noTrunc, oneFormat, onlyIds } from "../common_flags.ts";

const group = "Images";

/** `mini images`. */
export const images: CommandRow = {
  name: "images",
  aliases: ["image ls", "image list"],
  group,
  summary: "List images",
  usage: "[OPTIONS] [REPOSITORY[:TAG]]",
  flags: [
    {
      name: "all",
      short: "a",
      kind: "boolean",
      description: "Show also intermediate images, of which mini keeps none",
    },
    { name: "digests", kind: "boolean", description: "Show what registries call them" },
    { ...filterBy("before", "dangling", "label", "reference", "since", "until"), short: "f" },
    listFormat,
    noTrunc,
    onlyIds,
  ],
  positionals: { min: 0, max: 1, complete: ["image"] },
  examples: [
    { command: "mini images --filter dangling=true", comment: "Those without a name" },
    { command: "mini images --format '{{.Repository}}:{{.Tag}} {{.Size}}'", comment: "What you want to know of each" },
  ],
};

/** `mini rmi`. */
export const rmi: CommandRow = {
  name: "rmi",
  aliases: ["image rm", "image remove"],
  group,
  summary: "Remove images",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  flags: [
    { name: "force", short: "f", kind: "boolean", description: "Also with several names, or used by a container" },
    { name: "no-prune", kind: "boolean", description: "Keep parents without a name, of which mini keeps none" },
  ],
  positionals: { min: 1, needs: "an image", complete: ["image"], repeat: true },
  examples: [{ command: "mini rmi alpine", comment: "Its name, and with its last name the image" }, {
    command: "mini images -q -f dangling=true | xargs -r mini rmi",
    comment: "Those without a name",
  }],
};

/** `mini tag`. */
export const tag: CommandRow = {
  name: "tag",
  aliases: ["image tag"],
  group,
  summary: "Give an image another name",
  usage: "IMAGE NAME[:TAG]",
  flags: [],
  positionals: { min: 2, max: 2, needs: "an image and a name", complete: ["image", "image"] },
  examples: [{ command: "mini tag alpine registry.example/team/alpine:3", comment: "A name to push it under" }],
};

/** `mini history`. */
export const history: CommandRow = {
  name: "history",
  aliases: ["image history"],
  group,
  summary: "Show the steps that made an image",
  usage: "[OPTIONS] IMAGE",
  flags: [
    listFormat,
    { name: "human", short: "H", kind: "boolean", default: "true", description: "Sizes and times for people" },
    noTrunc,
    onlyIds,
  ],
  positionals: { min: 1, max: 1, needs: "an image", complete: ["image"] },
  examples: [{ command: "mini history alpine", comment: "What each step has added" }, {
    command: "mini history --no-trunc --format '{{.CreatedBy}}' alpine",
    comment: "The steps as they were written",
  }],
};

/** `mini image inspect`. */
export const imageInspect: CommandRow = {
  name: "image inspect",
  group,
  summary: "Show everything about images",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  flags: [
    oneFormat,
  ],
  positionals: { min: 1, needs: "an image", complete: ["image"], repeat: true },
  examples: [{ command: "mini image inspect -f '{{.Config.Env}}' alpine", comment: "One fact" }],
};

/** `mini image prune`. */
export const imagePrune: CommandRow = {
  name: "image prune",
  group,
  summary: "Remove images without a name, or all that no container uses",
  usage: "[OPTIONS]",
  flags: [
    { name: "all", short: "a", kind: "boolean", description: "Every image that no container uses" },
    filterBy("label", "until"),
    doNotAsk,
  ],
  positionals: { min: 0, max: 0 },
  examples: [{ command: "mini image prune", comment: "Images without a name, after a question" }, {
    command: "mini image prune -af --filter until=240h",
    comment: "All that no container uses and that are older than ten days",
  }],
};

/** `mini save`. */
export const save: CommandRow = {
  name: "save",
  aliases: ["image save"],
  group,
  summary: "Save images as an archive that mini, Docker, Podman and skopeo load",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  flags: [
    {
      name: "format",
      kind: "choice",
      values: ["docker-archive", "oci-archive", "oci-dir"],
      default: "docker-archive",
      description: "Docker's (and OCI's) archive, OCI's alone, or a folder",
    },
    { name: "output", short: "o", kind: "string", complete: "file", description: "Write to a file or folder" },
  ],
  positionals: { min: 1, needs: "an image", complete: ["image"], repeat: true },
  examples: [
    { command: "mini save -o alpine.tar alpine", comment: "Into a file" },
    { command: "mini save alpine | ssh host mini load", comment: "To another machine" },
  ],
};

/** `mini load`. */
export const load: CommandRow = {
  name: "load",
  aliases: ["image load"],
  group,
  summary: "Load images from an archive or an OCI folder",
  usage: "[OPTIONS]",
  flags: [
    { name: "input", short: "i", kind: "string", complete: "file", description: "Read from a file or folder" },
    { name: "quiet", short: "q", kind: "boolean", description: "Do not tell what was loaded" },
  ],
  positionals: { min: 0, max: 0 },
  examples: [{ command: "mini load -i alpine.tar", comment: "From a file that mini, Docker, Podman or skopeo saved" }],
};

/** `mini import`. */
export const importRow: CommandRow = {
  name: "import",
  aliases: ["image import"],
  group,
  summary: "Make an image from a root file system in a tar archive",
  usage: "[OPTIONS] FILE|URL|- [NAME[:TAG]]",
  flags: [
    { name: "change", short: "c", kind: "list", description: "Apply a line of a Dockerfile, as 'CMD [\"sh\"]'" },
    { name: "message", short: "m", kind: "string", description: "What the history says of it" },
    { name: "platform", kind: "string", placeholder: "os/arch[/variant]", description: "The machine that it is for" },
  ],
  positionals: { min: 1, max: 2, needs: "a file, a URL or -", complete: ["file", "image"] },
  examples: [
    { command: "tar -c -C root . | mini import -c 'CMD [\"/bin/sh\"]' - mine", comment: "From a folder" },
  ],
};
