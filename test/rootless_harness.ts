/**
 * Tests as an ordinary user: `mini` is run by a user of the test's own, who has ids in /etc/subuid and /etc/subgid or has none,
 * in mount and network namespaces of the test's own.
 */
import {
  type Context,
  MINI,
  miniTest,
  type Need,
  needsProgram,
  type Output,
  runCommand,
  type RunOptions,
} from "./harness.ts";

/** The user of the tests, who has no name. */
export const USER = 54321;
/** The first of its ids in /etc/subuid and /etc/subgid. */
export const FIRST_ID = 700_000_000;

/** What a test as an ordinary user is given. */
export interface UserContext extends Omit<Context, "mini" | "start" | "inside" | "command"> {
  readonly home: string;
  /** Its XDG_RUNTIME_DIR. */
  readonly run: string;
  /** The command line by which the user runs `mini`. */
  command(args: readonly string[], options?: UserOptions): string[];
  /** Runs `mini` as the user. */
  mini(args: readonly string[], options?: UserOptions): Promise<Output>;
  /** Runs a shell script as the user, in which `$mini` is mini. */
  script(text: string, options?: UserOptions): Promise<Output>;
}

/** How a command of the user's is run. */
export interface UserOptions extends RunOptions {
  /** Whether it has ids beside its own; true by default. */
  readonly ids?: boolean;
  /** A network with an address, a default route and /dev/net/tun; the machine's own without it. */
  readonly network?: boolean;
  /** Done by root before, in the namespaces of the command. */
  readonly prepare?: string;
}

/** Whether an ordinary user may make namespaces here. */
async function needsUserNamespaces(): Promise<Need> {
  if (needsProgram("setpriv") || needsProgram("unshare")) return "no setpriv or unshare here";
  const { status, stderr } = await runCommand([
    "setpriv",
    `--reuid=${USER}`,
    "--clear-groups",
    "unshare",
    "-Urm",
    "true",
  ]);
  return status === 0 ? undefined : `ordinary users may make no user namespaces here (${stderr.trim()})`;
}
const namespaces = Deno.uid() === 0 ? await needsUserNamespaces() : undefined;

/** An interface, a default route, an address that containers can talk to. */
const NETWORK = `
ip link set lo up
ip link add up0 type veth peer up1
ip link set up1 up
ip address add 192.0.2.2/24 dev up0
ip link set up0 up
ip address add 198.51.100.1/32 dev lo
ip route add default via 192.0.2.1
[ -e $folder/tun ] || mknod $folder/tun c 10 200
chmod 666 $folder/tun
mount --bind $folder/tun /dev/net/tun`;

/** `prepare` for a machine whose users may make no user namespaces: user_namespaces(7), /proc/sys/user. */
export const NO_NAMESPACES = `
[ -e $folder/go ] || mkfifo $folder/go
unshare -U sh -euc 'read -r _ < "$0"; exec sh -euc "$@"' $folder/go '
  echo 0 > /proc/sys/user/max_user_namespaces
  exec setpriv --reuid=${USER} --regid=${USER} --clear-groups --inh-caps=-all env -i "$@"' sh "$@" &
while [ $(readlink /proc/self/ns/user) = $(readlink /proc/$!/ns/user) ]; do sleep 0.01; done
echo 0 0 4294967295 > /proc/$!/uid_map
echo 0 0 4294967295 > /proc/$!/gid_map
echo > $folder/go
status=0
wait $! || status=$?
exit $status`;

/** A test whose `mini` is an ordinary user's. */
export function userTest(
  name: string,
  body: (context: UserContext) => Promise<void>,
  needs: readonly Need[] = [],
): void {
  miniTest(name, async ({ folder, root, state }) => {
    const home = `${folder}/home`, run = `${folder}/run`, mini = `${folder}/mini`;
    Deno.chmodSync(folder, 0o755);
    for (const path of [home, run]) {
      Deno.mkdirSync(path);
      Deno.chownSync(path, USER, USER);
    }
    Deno.writeTextFileSync(`${folder}/ids`, `${USER}:${FIRST_ID}:65536\n`);
    Deno.writeTextFileSync(`${folder}/no-ids`, "");
    // newuidmap(1) wants to know a name.
    Deno.writeTextFileSync(
      `${folder}/passwd`,
      `${Deno.readTextFileSync("/etc/passwd").trimEnd()}\nminitest:x:${USER}:${USER}::${home}:/bin/sh\n`,
    );
    Deno.writeTextFileSync(mini, "");
    const command = (
      program: readonly string[],
      { ids = true, network = false, prepare = "", env = {} }: UserOptions,
    ) => [
      ...["unshare", network ? "-mn" : "-m", "sh", "-euc"],
      `folder=${folder}
      mount --bind ${MINI} ${mini}
      mount --bind $folder/${ids ? "ids" : "no-ids"} /etc/subuid
      mount --bind $folder/${ids ? "ids" : "no-ids"} /etc/subgid
      mount --bind $folder/passwd /etc/passwd
      ${network ? NETWORK : ""}
      ${prepare}
      cd $folder/home
      exec setpriv --reuid=${USER} --regid=${USER} --clear-groups --inh-caps=-all env -i "$@"`,
      "sh",
      `PATH=${Deno.env.get("PATH")}`,
      `HOME=${home}`,
      `XDG_RUNTIME_DIR=${run}`,
      `mini=${mini}`,
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...network ? [] : [`MINI_CONFIG=${Deno.env.get("MINI_CONFIG")}`],
      ...program,
    ];
    const as = (program: readonly string[], options: UserOptions = {}) => {
      const { ids: _, network: __, prepare: ___, env: ____, ...rest } = options;
      return runCommand(command(program, options), rest);
    };
    await body({
      folder,
      root,
      state,
      home,
      run,
      command: (args, options = {}) => command([mini, ...args], options),
      mini: (args, options) => as([mini, ...args], options),
      script: (text, options) => as(["sh", "-euc", text], options),
    });
  }, [namespaces, ...needs]);
}
