// Code that nobody trusts: no network, no files but its own, few open files, and a second to be done.
import { Mini, MiniError } from "../../mod.ts";

const mini = new Mini();
const signal = AbortSignal.timeout(1000);
const options = { network: "none", readOnly: true, user: "65534", ulimits: ["nofile=256"], capDrop: ["ALL"], signal };
try {
  await using container = await mini.run("starter", ["sh", "-c", "id -u; while :; do sleep 1; done"], options);
  const { code, signal: by, stdout } = await container.output();
  console.log(new TextDecoder().decode(stdout).trim(), code, by);
} catch (error) {
  if (!(error instanceof MiniError)) throw error;
  console.log("it could not be run:", error.message);
}
