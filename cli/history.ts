/** `mini history`. */

import { findLocalImage } from "../engine/images.ts";
import { shortId } from "../images/digest.ts";
import { imageHistory } from "../images/history.ts";
import { Store } from "../images/store.ts";
import type { Invocation } from "./command.ts";
import { createdSince } from "./created.ts";
import { formatList, type Row } from "./format.ts";
import { humanSize } from "./human.ts";
import { shorten, write } from "./output.ts";

const HEADINGS = {
  ID: "IMAGE",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  CreatedBy: "CREATED BY",
  Size: "SIZE",
  Comment: "COMMENT",
};
/** Characters of a step that are shown, as in Docker. */
const WIDTH = 45;

/** Shows the steps that made an image. */
export default function history({ flags, args, globals }: Invocation): number {
  const store = new Store(globals.root);
  const steps = imageHistory(store, findLocalImage(store, args[0]!));
  const isWhole = flags.boolean("no-trunc"), isForPeople = flags.boolean("human");
  const id = (text: string) => text.startsWith("sha256:") && !isWhole ? shortId(text) : text;
  if (flags.boolean("quiet") && !flags.given("format")) {
    write(steps.map((step) => `${id(step.id)}\n`).join(""));
    return 0;
  }
  const rows = steps.map(({ id: image, created, createdBy, comment, size }): Row => {
    const step = createdBy.replaceAll("\t", " ");
    return {
      ID: id(image),
      CreatedSince: isForPeople ? createdSince(created) : created || "N/A",
      CreatedAt: created,
      CreatedBy: isWhole ? step : shorten(step, WIDTH),
      Size: isForPeople ? humanSize(size) : String(size),
      Comment: comment,
    };
  });
  const columns = `{{.ID}}\t${
    isForPeople ? "{{.CreatedSince}}" : "{{.CreatedAt}}"
  }\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`;
  write(formatList(rows, { format: flags.string("format"), columns, headings: HEADINGS }));
  return 0;
}
