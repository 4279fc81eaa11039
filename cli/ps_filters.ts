/** The keys of `--filter` about containers. */

import { MiniError } from "../ffi/errors.ts";
import type { Containers, Found } from "../engine/containers.ts";
import { healthOf } from "../engine/health/file.ts";
import { mountPoints } from "../engine/mounts.ts";
import { networksOf } from "../engine/network_view.ts";
import type { Store } from "../images/store.ts";
import { absent, type Filter, labelMatches, type Matcher, type Matchers, oneOf, type ValueReader } from "./filter.ts";

/** What containers are compared with. */
export interface PsContext {
  readonly containers: Containers;
  /** All that there are, for those that `before` and `since` name. */
  readonly all: readonly Found[];
  /** For `ancestor`; only then is it needed. */
  readonly store?: Store | undefined;
}

/** What a container may be; Docker knows those that mini's never are. */
export const STATUSES = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];

/** Every key that `mini ps` knows. */
export function psMatchers(context: PsContext): Matchers<Found> {
  return {
    id: byPattern(({ record }) => [record.id]),
    name: byPattern(({ record }) => [record.name, `/${record.name}`]),
    label: ({ record }, value) => labelMatches(record.config.labels, value),
    "label!": ({ record }, value) => !labelMatches(record.config.labels, value),
    exited: exited(),
    status: oneOf("status", STATUSES, ({ status }, value) => status === value),
    ancestor: { read: (value) => descendantsOf(value, context.store) },
    before: comparedWith(context, (created, other) => created < other),
    since: comparedWith(context, (created, other) => created > other),
    volume: hasMount(context.containers),
    network: ({ record: { config } }, value) =>
      config.network === value || (config.networks ?? []).some(({ name }) => name === value),
    publish: byPort((found) => networksOf(context.containers, found.record.id)?.ports ?? []),
    expose: byPort(({ record }) =>
      (record.config.exposed ?? []).map((port) => ({
        containerPort: Number(port.split("/")[0]),
        protocol: port.split("/")[1]!,
      }))
    ),
    health: oneOf(
      "health",
      ["starting", "healthy", "unhealthy", "none"],
      (found, value) => (healthOf(context.containers, found)?.Status ?? "none") === value,
    ),
    isolation: absent("isolation", "it is about containers on Windows"),
    "is-task": absent("is-task", "it is about Docker Swarm"),
  };
}

/** `80`, `80-90`, `80/udp`: the port of the container, or for a published one that of the host. */
function byPort(
  portsOf: (found: Found) => readonly { containerPort: number; hostPort?: number; protocol: string }[],
): ValueReader<Found> {
  return {
    read: (value) => {
      const [, first, last = first, protocol = "tcp"] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([a-z]+))?$/.exec(value) ?? [];
      if (first === undefined) throw new MiniError(`the filter is a port such as 80, 80-90 or 80/udp, not '${value}'`);
      const isIn = (port: number | undefined) => port !== undefined && port >= Number(first) && port <= Number(last);
      return (found) =>
        portsOf(found).some((port) => port.protocol === protocol && (isIn(port.containerPort) || isIn(port.hostPort)));
    },
  };
}

/** Any part of the text, or a regular expression that is found in it. */
function byPattern(texts: (found: Found) => readonly string[]): ValueReader<Found> {
  return {
    read: (value) => {
      let expression: RegExp | undefined;
      try {
        expression = new RegExp(value);
      } catch {
        // Then it is a part of the text and nothing else.
      }
      return (found) => texts(found).some((text) => expression?.test(text) ?? text.includes(value));
    },
  };
}

function exited(): ValueReader<Found> {
  return {
    read: (value) => {
      if (!/^[0-9]{1,3}$/.test(value)) throw new MiniError(`the filter exited is an exit status, not '${value}'`);
      return ({ record, status }) => status === "exited" && record.end?.exitCode === Number(value);
    },
  };
}

function comparedWith({ all }: PsContext, compare: (created: string, other: string) => boolean): ValueReader<Found> {
  return {
    read: (value) => {
      const named = all.filter(({ record }) => record.name === value);
      const other = named[0] ?? onlyOne(all.filter(({ record }) => value !== "" && record.id.startsWith(value)), value);
      return ({ record }) => record !== other.record && compare(record.created, other.record.created);
    },
  };
}

function onlyOne(found: readonly Found[], value: string): Found {
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw new MiniError(`No such container: ${value}; 'mini ps -a' lists them`);
  throw new MiniError(`${value} is the beginning of ${found.length} containers' ids: give more of it`);
}

/** Containers of an image, and of those that are built on it: these have its layers below their own. */
function descendantsOf(value: string, store: Store | undefined): Filter<Found> {
  const known = store?.images.resolve(value);
  const image = known && store!.image(value);
  return ({ record }) => {
    if (record.image === value || record.image === `${value}:latest`) return true;
    if (!image) return false;
    if (record.imageId === image.id) return true;
    const { diffIDs } = image;
    return diffIDs.length > 0 && diffIDs.length <= record.layers.length &&
      diffIDs.every((diffID, i) => record.layers[i] === diffID);
  };
}

/** Those with a volume of that name, or anything mounted from or on that path. */
function hasMount(containers: Containers): Matcher<Found> {
  return ({ record }, value) =>
    mountPoints(containers, record).some(({ Name, Source, Destination }) =>
      [Name, Source, Destination].includes(value)
    );
}
