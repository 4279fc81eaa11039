/** `mini volume ls`, with Docker's columns. */
import { Volumes } from "../engine/volumes/store.ts";
import type { Volume } from "../engine/volumes/types.ts";
import { volumeUsers } from "../engine/volumes/use.ts";
import type { Invocation } from "./command.ts";
import { parseFilters } from "./filter.ts";
import { formatList, type Row } from "./format.ts";
import { noteDamage } from "./note.ts";
import { write } from "./output.ts";
import { volumeMatchers } from "./volume_filters.ts";

export const HEADINGS = {
  Availability: "AVAILABILITY",
  Driver: "DRIVER",
  Group: "GROUP",
  Label: (name: unknown) => String(name),
  Labels: "LABELS",
  Links: "LINKS",
  Mountpoint: "MOUNTPOINT",
  Name: "VOLUME NAME",
  Scope: "SCOPE",
  Size: "SIZE",
  Status: "STATUS",
};

export default function volumeLs({ flags, globals }: Invocation): number {
  const volumes = new Volumes(globals.root);
  let users: Map<string, unknown> | undefined;
  const isUsed = (name: string) => (users ??= volumeUsers(globals.root, noteDamage)).has(name);
  const filter = parseFilters(flags.list("filter"), volumeMatchers(isUsed));
  const shown = volumes.list(noteDamage).filter(filter);
  if (flags.boolean("quiet") && !flags.given("format")) {
    write(shown.map(({ name }) => `${name}\n`).join(""));
    return 0;
  }
  const rows = shown.map((volume) => volumeRow(volume, volumes.data(volume.name)));
  write(formatList(rows, { format: flags.string("format"), columns: "{{.Driver}}\t{{.Name}}", headings: HEADINGS }));
  return 0;
}

/** What is shown of a volume. */
export function volumeRow({ name, driver, labels }: Volume, mountpoint: string): Row {
  return {
    Availability: "N/A",
    Driver: driver,
    Group: "N/A",
    Label: (label: unknown) => Object.hasOwn(labels, String(label)) ? labels[String(label)] : "",
    Labels: Object.entries(labels).map(([key, value]) => `${key}=${value}`).sort().join(","),
    Links: "N/A",
    Mountpoint: mountpoint,
    Name: name,
    Scope: "local",
    Size: "N/A",
    Status: "N/A",
  };
}
