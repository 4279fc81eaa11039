/** The OCI command line in a machine whose cgroups are all version 2, where crun runs. */
import { resolve } from "@std/path";
import { accelerated, DISK_FOLDER, runInMachine } from "../tools/vm/machine.ts";

/** Software takes the place of the machine's processor where there is no other way, which takes its time. */
const MINUTES = 10, ROUNDS = 10;

export const title = "The OCI command line, in a virtual machine with cgroup v2";

/** Measures there, and returns a section of Markdown without its heading. @throws {Unavailable} where there is no such machine. */
export async function bench(): Promise<string> {
  const { status, report, log } = await runInMachine({
    command:
      `TMPDIR=${DISK_FOLDER} ${Deno.execPath()} run -A --no-check --quiet bench/oci.ts /run/report.xml ${ROUNDS}`,
    project: resolve(import.meta.dirname!, ".."),
    milliseconds: MINUTES * 60_000,
    print: (text) => Deno.stderr.writeSync(new TextEncoder().encode(text)),
  });
  if (status !== 0) throw new Error(`the machine ended with ${status ?? log}`);
  const how = accelerated()
    ? "QEMU with KVM"
    : "QEMU without KVM: its processor is a program, for which code that is compiled while it runs is the slowest there is";
  return `${report.trim()}\n\n${ROUNDS} rounds in ${how}.`;
}
