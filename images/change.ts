/** The lines of a Dockerfile that change only the configuration, as `import --change` takes them. */
import { MiniError } from "../ffi/errors.ts";
import { parseDuration } from "./duration.ts";
import type { ContainerConfig, HealthConfig } from "./types.ts";

/** Applies one line to a configuration. @throws {MiniError} if it is no such line, or malformed. */
export function applyChange(config: ContainerConfig, line: string): void {
  const match = /^\s*([A-Za-z]+)\s+(\S[^]*?)\s*$/.exec(line);
  const refuse = (why: string): never => {
    throw new MiniError(`the change ${JSON.stringify(line)} ${why}`);
  };
  if (!match) return refuse("is not of the form INSTRUCTION VALUE");
  const value = match[2]!;
  const single = () => unquote(words(value, refuse), refuse);
  switch (match[1]!.toUpperCase()) {
    case "CMD":
      config.Cmd = command(value, refuse);
      return;
    case "ENTRYPOINT":
      config.Entrypoint = command(value, refuse);
      return;
    case "ENV":
      for (const [name, text] of assignments(value, refuse)) {
        config.Env = [...(config.Env ?? []).filter((old) => !old.startsWith(`${name}=`)), `${name}=${text}`];
      }
      return;
    case "LABEL":
      config.Labels = { ...config.Labels, ...Object.fromEntries(assignments(value, refuse)) };
      return;
    case "EXPOSE":
      for (const port of words(value, refuse)) {
        const [, number, protocol = "tcp"] = /^([0-9]{1,5})(?:\/(tcp|udp|sctp))?$/.exec(port) ?? [];
        if (number === undefined || Number(number) > 65535) refuse(`has the malformed port ${port}`);
        config.ExposedPorts = { ...config.ExposedPorts, [`${number}/${protocol}`]: {} };
      }
      return;
    case "VOLUME": {
      const paths = value.startsWith("[") ? command(value, refuse) : words(value, refuse);
      for (const path of paths) config.Volumes = { ...config.Volumes, [path]: {} };
      return;
    }
    case "USER":
      config.User = single();
      return;
    case "STOPSIGNAL":
      config.StopSignal = single();
      return;
    case "WORKDIR": {
      const path = single();
      config.WorkingDir = path.startsWith("/") ? path : `${(config.WorkingDir ?? "").replace(/\/$/, "")}/${path}`;
      return;
    }
    case "HEALTHCHECK":
      config.Healthcheck = healthcheck(value, refuse);
      return;
    case "ONBUILD":
      config.OnBuild = [...config.OnBuild ?? [], value];
      return;
  }
  refuse(
    "must be CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR",
  );
}

type Refuse = (why: string) => never;

/** A JSON list of strings, or a line for the shell. */
function command(value: string, refuse: Refuse): string[] {
  return value.startsWith("[") ? list(value, refuse) : ["/bin/sh", "-c", value];
}

function list(value: string, refuse: Refuse): string[] {
  try {
    const items = JSON.parse(value);
    if (Array.isArray(items) && items.every((item) => typeof item === "string")) return items;
  } catch {
    // Told below, as for a list of something else.
  }
  return refuse("has a list that is no JSON list of strings");
}

const HEALTH_TIMES: Record<string, "Interval" | "Timeout" | "StartPeriod" | "StartInterval"> = {
  interval: "Interval",
  timeout: "Timeout",
  "start-period": "StartPeriod",
  "start-interval": "StartInterval",
};

/** `NONE`, or options and `CMD COMMAND`. */
function healthcheck(value: string, refuse: Refuse): HealthConfig {
  const health: HealthConfig = {};
  let rest = value;
  for (let option; (option = /^--([a-z-]+)=(\S+)\s+/.exec(rest)) !== null; rest = rest.slice(option[0].length)) {
    const [, name, text] = option as unknown as [string, string, string], time = HEALTH_TIMES[name];
    if (name === "retries" && /^[0-9]{1,6}$/.test(text)) health.Retries = Number(text);
    else if (time !== undefined) health[time] = nanoseconds(text, refuse);
    else refuse(`has the unknown option --${name}=${text}`);
  }
  const match = /^(NONE|CMD)(?:\s+([^]*))?$/i.exec(rest);
  if (match === null) return refuse("must be HEALTHCHECK NONE or HEALTHCHECK [OPTIONS] CMD COMMAND");
  const [, kind, command = ""] = match;
  if (kind!.toUpperCase() === "NONE") {
    if (rest !== value || command !== "") refuse("says NONE, which takes nothing else");
    return { Test: ["NONE"] };
  }
  if (command === "") refuse("has no command");
  return { Test: command.startsWith("[") ? ["CMD", ...list(command, refuse)] : ["CMD-SHELL", command], ...health };
}

function nanoseconds(text: string, refuse: Refuse): number {
  const milliseconds = parseDuration(text);
  if (milliseconds < 0) refuse(`has the negative time ${text}`);
  return Math.round(milliseconds * 1e6);
}

/** Words, split at spaces outside of quotes; `\` takes the next character as it is. */
function words(value: string, refuse: Refuse): string[] {
  const result: string[] = [];
  let word = "", quote = "", isOpen = false;
  for (let i = 0; i < value.length; i++) {
    const c = value[i]!;
    if (c === "\\" && quote !== "'" && i + 1 < value.length) {
      word += value[++i];
      isOpen = true;
    } else if (quote !== "") {
      if (c === quote) quote = "";
      else word += c;
    } else if (c === '"' || c === "'") {
      quote = c;
      isOpen = true;
    } else if (/\s/.test(c)) {
      if (isOpen) result.push(word);
      word = "";
      isOpen = false;
    } else {
      word += c;
      isOpen = true;
    }
  }
  if (quote !== "") refuse("has a quote that is not closed");
  if (isOpen) result.push(word);
  return result;
}

function unquote(parts: string[], refuse: Refuse): string {
  if (parts.length !== 1) refuse("takes one value");
  return parts[0]!;
}

/** `A=1 B="two words"`, or the old form `A value to the end`. */
function assignments(value: string, refuse: Refuse): [name: string, value: string][] {
  const parts = words(value, refuse);
  const first = parts[0]!;
  if (!first.includes("=")) {
    if (parts.length < 2) refuse("has a name without a value");
    return [[first, value.slice(value.indexOf(first) + first.length).trim()]];
  }
  return parts.map((part) => {
    const equals = part.indexOf("=");
    if (equals < 1) refuse(`has ${JSON.stringify(part)}, which is not of the form NAME=VALUE`);
    return [part.slice(0, equals), part.slice(equals + 1)];
  });
}
