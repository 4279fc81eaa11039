/** `mini images`. */

import { imageLines, referenceMatches } from "../engine/images.ts";
import { shortId } from "../images/digest.ts";
import { parseReference } from "../images/reference.ts";
import type { Invocation } from "./command.ts";
import { createdSince } from "./created.ts";
import { parseFilters } from "./filter.ts";
import { formatList, type Row } from "./format.ts";
import { humanSize } from "./human.ts";
import { imageMatchers } from "./images_filters.ts";
import { write } from "./output.ts";
import { formatCreatedAt } from "./times.ts";

const HEADINGS = {
  ID: "IMAGE ID",
  Repository: "REPOSITORY",
  Tag: "TAG",
  Digest: "DIGEST",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  Size: "SIZE",
  VirtualSize: "SIZE",
  SharedSize: "SHARED SIZE",
  UniqueSize: "UNIQUE SIZE",
  Containers: "CONTAINERS",
};

/** When an image was made, as Docker writes it. */
export const imageCreatedAt = (created: string) => created === "" ? "N/A" : formatCreatedAt(created);

/** Lists images. */
export default function images({ flags, args, globals }: Invocation): number {
  const filters = parseFilters(flags.list("filter"), imageMatchers(globals.root), [
    "label",
    "label!",
    "before",
    "since",
    "until",
  ]);
  const wanted = args[0];
  if (wanted !== undefined && !/[*?[]/.test(wanted)) parseReference(wanted); // a name that cannot be one is told so
  const lines = imageLines(globals.root)
    .filter((line) => (wanted === undefined || referenceMatches(line, wanted)) && filters(line));
  const id = (digest: string) => flags.boolean("no-trunc") ? digest : shortId(digest);
  if (flags.boolean("quiet") && !flags.given("format")) {
    const ids = lines.map((line) => id(line.image.id));
    write([...new Set(ids)].map((text) => `${text}\n`).join(""));
    return 0;
  }
  const rows = lines.map(({ image, repository, tag, digest, containers }): Row => ({
    ID: id(image.id),
    Repository: repository,
    Tag: tag,
    Digest: digest,
    CreatedSince: createdSince(image.created),
    CreatedAt: imageCreatedAt(image.created),
    Size: humanSize(image.size),
    VirtualSize: humanSize(image.size),
    // As in Docker, which counts that in 'system df -v' only.
    SharedSize: "N/A",
    UniqueSize: "N/A",
    Containers: String(containers),
  }));
  const digests = flags.boolean("digests") ? "{{.Digest}}\t" : "";
  const columns = `{{.Repository}}\t{{.Tag}}\t${digests}{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`;
  write(formatList(rows, { format: flags.string("format"), columns, headings: HEADINGS }));
  return 0;
}
