/** The keys of `--filter` about events. */

import type { StoredEvent } from "../engine/events.ts";
import { labelMatches, type Matcher } from "./filter.ts";

/** Whether the event is about a thing of that type with this name, id, or beginning of an id. */
function about(type: string): Matcher<StoredEvent> {
  return ({ Type, Actor }, value) =>
    Type === type && (Actor.ID === value || Actor.Attributes["name"] === value ||
      (value.length > 0 && /^[0-9a-f]{64}$/.test(Actor.ID) && Actor.ID.startsWith(value)));
}

const isImage = about("image");
/** The name of an image without its tag. */
const withoutTag = (name: string) => name.replace(/:[^/:]*$/, "");

/** Every key that `mini events` knows. */
export const eventMatchers: Record<string, Matcher<StoredEvent>> = {
  container: about("container"),
  // Of an image, and of containers that are made of it.
  image: (event, value) => {
    if (isImage(event, value)) return true;
    const { Type, Actor } = event;
    const names = Type === "image" ? [Actor.ID, Actor.Attributes["name"] ?? ""] : [Actor.Attributes["image"] ?? ""];
    return names.some((name) => name !== "" && (name === value || withoutTag(name) === value));
  },
  // `exec_create` stands for `exec_create: sh -c true`, too.
  event: ({ Action }, value) => Action === value || Action.startsWith(`${value}:`),
  label: ({ Actor }, value) => labelMatches(Actor.Attributes, value),
  network: about("network"),
  scope: ({ scope }, value) => scope === value,
  type: ({ Type }, value) => Type === value,
  volume: about("volume"),
};
