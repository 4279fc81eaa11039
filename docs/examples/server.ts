// A web server that answers each request from a container of its own: sudo deno run -A docs/examples/server.ts [PORT]
import { Mini, MiniError } from "../../mod.ts";

const mini = new Mini();
const SCRIPT = `read -r body; echo "process $$ on $(hostname) was asked for $URL: $body"`;

async function answer(request: Request): Promise<Response> {
  try {
    const container = await mini.run("starter", ["sh", "-c", SCRIPT], {
      env: { URL: new URL(request.url).pathname },
      network: "none",
      readOnly: true,
      stdin: "piped",
      stderr: "null",
      // Whoever hangs up ends the container.
      signal: request.signal,
    });
    // What it does not read is of no interest.
    (request.body ?? ReadableStream.from([])).pipeTo(container.stdin).catch(() => {});
    return new Response(container.stdout, { headers: { "x-container": container.id.slice(0, 12) } });
  } catch (error) {
    if (!(error instanceof MiniError)) throw error;
    return new Response(`${error.message}\n`, { status: 500 });
  }
}

const onListen = ({ port }: Deno.NetAddr) => console.log(`http://127.0.0.1:${port}/`);
Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 8000), onListen }, answer);
