/** The root file system of the embedded image `starter`: one static busybox with a link for everything it can do. */
import type { TarEntry } from "./tar.ts";

const FOLDERS =
  "bin dev etc home mnt opt proc root run sbin srv sys tmp usr usr/bin usr/sbin usr/local usr/local/bin var " +
  "var/cache var/lib var/log var/spool var/tmp";

const MODES: Record<string, number> = { root: 0o700, tmp: 0o1777, "var/tmp": 0o1777, proc: 0o555, sys: 0o555 };

const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:operator:/var:/bin/false
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
`;

const GROUP = `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
mail:x:8:
wheel:x:10:root
www-data:x:33:
operator:x:37:
users:x:100:
nogroup:x:65534:
`;

const HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
`;

const PROFILE = `export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PS1='\\u@\\h:\\w\\$ '
umask 022
`;

/**
 * The entries of the file system.
 *
 * @param busybox the executable
 * @param applets what `busybox --list-full` prints: paths such as `usr/bin/env`
 */
export function rootfs(busybox: Uint8Array, applets: readonly string[]): TarEntry[] {
  const folders = FOLDERS.split(" ");
  const links = new Set(applets.filter((path) => folders.includes(path.slice(0, path.lastIndexOf("/")))));
  links.delete("bin/busybox");
  return [
    ...folders.map((path) => ({ path, mode: MODES[path] ?? 0o755 })),
    { path: "bin/busybox", mode: 0o755, content: busybox },
    ...[...links].map((path) => ({ path, mode: 0o777, link: "/bin/busybox" })),
    { path: "var/run", mode: 0o777, link: "/run" },
    { path: "etc/passwd", mode: 0o644, content: PASSWD },
    { path: "etc/group", mode: 0o644, content: GROUP },
    { path: "etc/shadow", mode: 0o640, content: PASSWD.replaceAll(/^(\w[\w-]*):.*$/gm, "$1:*:::::::") },
    { path: "etc/hosts", mode: 0o644, content: HOSTS },
    // Every container's own are mounted here: where the image has none, each would have to make them in its layer.
    { path: "etc/hostname", mode: 0o644, content: "" },
    { path: "etc/resolv.conf", mode: 0o644, content: "" },
    { path: "etc/profile", mode: 0o644, content: PROFILE },
    { path: "etc/shells", mode: 0o644, content: "/bin/sh\n/bin/ash\n" },
    {
      path: "etc/os-release",
      mode: 0o644,
      content: 'NAME="mini starter"\nID=starter\nPRETTY_NAME="mini starter (busybox)"\n',
    },
  ];
}
