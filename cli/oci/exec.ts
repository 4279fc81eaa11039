/** `mini oci exec`. */
import { MiniError } from "../../ffi/errors.ts";
import { OciContainers } from "../../engine/oci/containers.ts";
import { exec } from "../../engine/oci/exec.ts";
import { parseProcess } from "../../runtime/spec_read.ts";
import type { Capabilities, Process, User } from "../../runtime/spec.ts";
import type { FlagValues } from "../flag_values.ts";
import type { OciInvocation } from "./command.ts";

export default function ({ args, flags, globals, warn }: OciInvocation): Promise<number> {
  const [id = "", ...command] = args, file = flags.string("process");
  if (file === undefined && command.length === 0) {
    throw new MiniError("process args cannot be empty: give a command after the id, or --process");
  }
  return exec(
    new OciContainers(globals.root),
    id,
    (own) => file === undefined ? described(own, command, flags) : readProcess(file),
    {
      consoleSocket: flags.string("console-socket") || undefined,
      pidfdSocket: flags.string("pidfd-socket") || undefined,
      pidFile: flags.string("pid-file") || undefined,
      preserveFds: flags.number("preserve-fds") ?? 0,
      detach: flags.boolean("detach"),
      ignorePaused: flags.boolean("ignore-paused"),
      cgroup: flags.string("cgroup") || undefined,
    },
    warn,
  );
}

function readProcess(file: string): Process {
  let json: string;
  try {
    json = Deno.readTextFileSync(file);
  } catch (error) {
    throw new MiniError(`--process ${file} cannot be read: ${(error as Error).message}`, undefined, { cause: error });
  }
  return parseProcess(json, `--process ${file}`);
}

const LARGEST_ID = 2 ** 32 - 2;

function idNumber(text: string, flag: string): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > LARGEST_ID) {
    throw new MiniError(`${flag} takes numbers from 0 to ${LARGEST_ID}, not ${JSON.stringify(text)}`);
  }
  return Number(text);
}

function readUser(own: User, text: string | undefined, groups: readonly string[]): User {
  const [uid, gid, ...rest] = text?.split(":") ?? [];
  if (rest.length > 0) throw new MiniError(`--user takes UID[:GID], not ${JSON.stringify(text)}`);
  const additionalGids = groups.map((group) => idNumber(group, "--additional-gids"));
  return {
    ...own,
    ...uid === undefined ? {} : { uid: idNumber(uid, "--user") },
    ...gid === undefined ? {} : { gid: idNumber(gid, "--user") },
    additionalGids: [...own.additionalGids ?? [], ...additionalGids],
  };
}

function withCapabilities(own: Capabilities | undefined, added: readonly string[]): Capabilities {
  const names = added.map((name) => name.toUpperCase());
  const plus = (set: readonly string[] | undefined) => [...new Set([...set ?? [], ...names])];
  return {
    ...own,
    bounding: plus(own?.bounding),
    effective: plus(own?.effective),
    permitted: plus(own?.permitted),
    // Without them nobody but root would keep what is added.
    ...own?.ambient ? { ambient: plus(own.ambient), inheritable: plus(own.inheritable) } : {},
  };
}

/** The container's own process with another program, and what the flags change. */
function described(own: Process, command: readonly string[], flags: FlagValues): Process {
  const selinuxLabel = flags.string("process-label"), apparmorProfile = flags.string("apparmor");
  const { consoleSize: _, ...rest } = own;
  return {
    ...rest,
    args: [...command],
    terminal: flags.boolean("tty"),
    cwd: flags.string("cwd") || own.cwd,
    env: [...own.env ?? [], ...flags.list("env")],
    user: readUser(own.user, flags.string("user"), flags.list("additional-gids")),
    ...flags.list("cap").length > 0 ? { capabilities: withCapabilities(own.capabilities, flags.list("cap")) } : {},
    ...selinuxLabel ? { selinuxLabel } : {},
    ...apparmorProfile ? { apparmorProfile } : {},
    noNewPrivileges: flags.boolean("no-new-privs") || (own.noNewPrivileges ?? false),
  };
}
