/** What `run --step` shows, on standard error: standard output is the container's. */
import type { StepView } from "../engine/step.ts";
import { shortIds } from "./explain_output.ts";
import { printable, write } from "./output.ts";
import { terminalLook } from "./terminal.ts";

/** Shows operations to whoever presses Enter. */
export function stepView(): StepView {
  const say = (text: string) => write(text, Deno.stderr);
  const bold = terminalLook(Deno.stderr).colours ? (text: string) => `\x1b[1m${text}\x1b[0m` : (text: string) => text;
  let process: number | undefined, asked = false;
  return {
    pause(step, of, pid) {
      if (process !== pid) {
        say(
          `process ${pid} waits before each operation; look at it from another terminal, in /proc/${pid}\n` +
            "Enter goes one step on, n and Enter to the next phase, c and Enter to the end, q and Enter gives up\n",
        );
      }
      process = pid;
      say(
        `${step.number}/${of}  ${step.phase}  ${bold(printable(shortIds(step.call)))}\n    ${
          printable(shortIds(step.why))
        }  ${step.page}\n`,
      );
      asked = true;
    },
    returned(result) {
      if (asked && result !== "") say(`    = ${result}\n`);
      asked = false;
    },
  };
}
