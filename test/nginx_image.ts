/**
 * An image of Debian's nginx: its package with all that this depends on, as mmdebstrap extracts them, and a configuration of ours.
 * The packages are downloaded once, into `~/.cache/mini-test-nginx`.
 */
import { isThere } from "../ffi/is_there.ts";
import { runTool } from "./images_fixtures.ts";

/** The name that the image is given. */
export const NGINX = "nginx:test";

const RELEASE = "bookworm";

/** /big is as long as it is, /slow.bin comes slowly, and every request is logged with its client's address. */
const CONFIGURATION = `user root;
worker_processes 2;
error_log /dev/stderr notice;
events { worker_connections 1024; }
http {
  log_format test '$remote_addr "$request" $status $body_bytes_sent';
  access_log /dev/stdout test;
  keepalive_requests 10000;
  server {
    listen 80 backlog=1024;
    listen [::]:80 backlog=1024;
    root /www;
    location = /slow.bin { limit_rate 256k; }
  }
}
`;

/** The packages, in one archive. */
async function packages(): Promise<string> {
  const cache = `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/mini-test-nginx`;
  const tar = `${cache}/${RELEASE}-${Deno.build.arch}.tar`;
  if (isThere(tar)) return tar;
  await Deno.mkdir(cache, { recursive: true });
  // Whoever is first has it made; half of one is never there.
  const unfinished = `${cache}/${crypto.randomUUID()}.tar`;
  try {
    await runTool("mmdebstrap", "--quiet", "--variant=extract", "--include=nginx", RELEASE, unfinished);
    await Deno.rename(unfinished, tar);
  } finally {
    await Deno.remove(unfinished).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  return tar;
}

/**
 * Makes the archive of the image's one layer.
 *
 * @param folder to work in. @param files what is served, by name. @returns the archive, for `mini import`.
 */
export async function nginxLayer(folder: string, files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const layer = `${folder}/nginx.tar`, more = `${folder}/more`;
  await Deno.copyFile(await packages(), layer);
  await Deno.mkdir(`${more}/www`, { recursive: true });
  await Deno.mkdir(`${more}/etc/nginx`, { recursive: true });
  await Deno.mkdir(`${more}/run`);
  await Deno.writeTextFile(`${more}/etc/passwd`, "root:x:0:0:root:/root:/bin/sh\n");
  await Deno.writeTextFile(`${more}/etc/group`, "root:x:0:\n");
  await Deno.writeTextFile(`${more}/etc/nginx/nginx.conf`, CONFIGURATION);
  for (const [name, content] of Object.entries(files)) await Deno.writeFile(`${more}/www/${name}`, content);
  // Of two entries of one path the last counts.
  await runTool(
    "tar",
    "--append",
    "-f",
    layer,
    "-C",
    more,
    "./etc/passwd",
    "./etc/group",
    "./etc/nginx/nginx.conf",
    "./run",
    "./www",
  );
  return layer;
}

/** What the image says of itself: what nginx's own image says. */
export const NGINX_CHANGES = ["STOPSIGNAL SIGQUIT", "EXPOSE 80", 'CMD ["/usr/sbin/nginx", "-g", "daemon off;"]'];
