/** `mini system df --verbose`: what each image, container and volume takes, as Docker's tables and JSON. */
import { ContainerSizes } from "../engine/container_size.ts";
import type { Containers } from "../engine/containers.ts";
import { imageLines, sharedSizes } from "../engine/images.ts";
import { volumeSizes } from "../engine/volumes/usage.ts";
import { shortId } from "../images/digest.ts";
import { createdSince } from "./created.ts";
import { formatList, formatOne, type Row } from "./format.ts";
import { humanSize } from "./human.ts";
import { imageCreatedAt } from "./images.ts";
import { noteDamage } from "./note.ts";
import { HEADINGS as CONTAINER_HEADINGS, psRow } from "./ps.ts";
import { detailsOf } from "./ps_details.ts";
import { HEADINGS as VOLUME_HEADINGS, volumeRow } from "./volume_ls.ts";

const IMAGE_HEADINGS = {
  Repository: "REPOSITORY",
  Tag: "TAG",
  ID: "IMAGE ID",
  CreatedSince: "CREATED",
  Size: "SIZE",
  SharedSize: "SHARED SIZE",
  UniqueSize: "UNIQUE SIZE",
  Containers: "CONTAINERS",
};
const columnsOf = (...names: string[]) => names.map((name) => `{{.${name}}}`).join("\t");
const IMAGE_COLUMNS = columnsOf(...Object.keys(IMAGE_HEADINGS));
const CONTAINER_COLUMNS = columnsOf(
  ...["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"],
);
const VOLUME_COLUMNS = columnsOf("Name", "Links", "Size");

/** The text of it. @throws {MiniError} for a template that is wrong. */
export async function verboseDf(containers: Containers, format: string | undefined): Promise<string> {
  const shorten = format === undefined;
  const images = imageRows(containers.root, shorten), volumes = volumeRows(containers.root);
  const rows = await containerRows(containers, shorten);
  if (format !== undefined) {
    return formatOne({ Images: images, Containers: rows, Volumes: volumes, BuildCache: [] }, format);
  }
  const table = (what: string, rows: Row[], columns: string, headings: typeof IMAGE_HEADINGS) =>
    `${what} space usage:\n\n${formatList(rows, { columns, headings })}\n`;
  return table("Images", images, IMAGE_COLUMNS, IMAGE_HEADINGS) +
    `Containers space usage:\n\n${formatList(rows, { columns: CONTAINER_COLUMNS, headings: CONTAINER_HEADINGS })}\n` +
    `Local Volumes space usage:\n\n${formatList(volumes, { columns: VOLUME_COLUMNS, headings: VOLUME_HEADINGS })}`;
}

function imageRows(root: string, short: boolean): Row[] {
  const shared = sharedSizes(root);
  return imageLines(root).map(({ image, repository, tag, digest, containers }) => {
    const both = shared.get(image.id) ?? 0, size = humanSize(image.size);
    return {
      Containers: String(containers),
      CreatedAt: imageCreatedAt(image.created),
      CreatedSince: createdSince(image.created),
      Digest: digest,
      ID: short ? shortId(image.id) : image.id,
      Repository: repository,
      SharedSize: humanSize(both),
      Size: size,
      Tag: tag,
      UniqueSize: humanSize(image.size - both),
      VirtualSize: size,
    };
  });
}

async function containerRows(containers: Containers, short: boolean): Promise<Row[]> {
  const sizes = new ContainerSizes(containers), details = detailsOf(containers, !short, false);
  return (await containers.list(noteDamage)).map((found) => {
    // A function is no part of what is shown.
    const { Label: _, ...row } = psRow(containers, found, !short);
    return { ...row, ...details(found), Size: humanSize(sizes.of(found.record).written) };
  });
}

const volumeRows = (root: string): Row[] =>
  volumeSizes(root, noteDamage).map(({ volume, mountpoint, bytes, users }) => {
    const { Label: _, ...row } = volumeRow(volume, mountpoint);
    return { ...row, Links: String(users), Size: humanSize(bytes) };
  });
