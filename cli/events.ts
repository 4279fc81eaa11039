/** `mini events`: what happens, a line each, as it happens. */

import type { StoredEvent } from "../engine/events.ts";
import { readEvents } from "../engine/events_read.ts";
import type { Invocation } from "./command.ts";
import { eventMatchers } from "./events_filters.ts";
import { parseFilters } from "./filter.ts";
import { formatOne } from "./format.ts";
import { printable, write } from "./output.ts";
import { formatMoment, parseMoment } from "./times.ts";

/** Tells events until it is ended, or until a time. */
export default async function events({ flags, globals }: Invocation): Promise<number> {
  const moment = (name: string) => {
    const text = flags.string(name);
    return text === undefined ? undefined : parseMoment(text, `--${name}`);
  };
  const matches = parseFilters(flags.list("filter"), eventMatchers);
  const format = flags.string("format");
  const print = format === undefined ? line : (event: StoredEvent) => formatOne(withFields(event), format);
  for await (const event of readEvents(globals.state, { since: moment("since"), until: moment("until") })) {
    if (matches(event)) write(print(event));
  }
  return 0;
}

/** `2026-01-31T12:00:00.123456000Z container start ID (image=alpine, name=web)` */
function line({ timeNano, Type, Action, Actor }: StoredEvent): string {
  const pairs = Object.entries(Actor.Attributes).sort(([a], [b]) => a < b ? -1 : 1);
  const attributes = pairs.map(([key, value]) => `${key}=${value}`).join(", ");
  const what = `${Type} ${Action} ${Actor.ID}${attributes && ` (${attributes})`}`;
  return `${formatMoment(timeNano)} ${printable(what)}\n`;
}

/** An event with the names that templates use for those of its fields that JSON has other names for. */
function withFields(event: StoredEvent): StoredEvent {
  const { status = "", id = "", from = "", scope, time, timeNano, Actor } = event;
  const shown = { ...event, Actor: { ...Actor, Attributes: new Map(Object.entries(Actor.Attributes)) } };
  const fields = { Status: status, ID: id, From: from, Scope: scope, Time: time, TimeNano: timeNano };
  for (const [name, value] of Object.entries(fields)) Object.defineProperty(shown, name, { value });
  return shown as unknown as StoredEvent;
}
