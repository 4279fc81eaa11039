/** `run --step`: the program of a container waits before each of its operations until somebody presses Enter. */
import { F_DUPFD_CLOEXEC } from "../ffi/constants.ts";
import { Errno } from "../ffi/errors.ts";
import { close, syscall, trySyscall, waitingSyscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import { showResult } from "../ffi/show_call.ts";
import { Results } from "../ffi/spawn.ts";
import { stepped } from "../ffi/step.ts";
import type { Step as Begin } from "../runtime/container.ts";
import { makePair, receive } from "../runtime/handshake.ts";
import type { Plan } from "../runtime/plan.ts";
import { planned, type Step } from "./explain.ts";
import type { Note } from "./start.ts";

/** Shows where the program is. */
export interface StepView {
  /** It waits before this operation; `pid` is the process that will do it. */
  pause(step: Step, of: number, pid: number): void;
  /** What the operation that was shown last has returned; empty if it never does, or if the process has ended instead. */
  returned(result: string): void;
}

/** What is typed at a pause beside Enter alone: on to the next phase, on without stopping, and the end. */
const NEXT_PHASE = "n", GO_ON = "c", QUIT = "q";

/** Has the program of a container wait before each operation, for a line of this command's standard input. */
export function stepping(view: StepView, note: Note): Begin {
  return (plan: Plan) => {
    const [ours, theirs] = makePair();
    const { program, places } = stepped(plan.program, theirs, "orphaned");
    const steps = planned(plan.program, plan.phases);
    let pid: number | undefined;
    return {
      program,
      gate: theirs,
      follow(spawned) {
        const isFirst = pid === undefined;
        pid = spawned.pid;
        if (!isFirst) return;
        // A descriptor of our own: the other one is closed as soon as the container has ended.
        const results = new Results(syscall("fcntl", spawned.results.fd, F_DUPFD_CLOEXEC, 0), spawned.results.program);
        const program: Followed = {
          gate: ours,
          steps,
          pause: (step) => view.pause(step, steps.length, pid!),
          returned: (index) => view.returned(showResult(results.at(places[index]! + 1))),
        };
        answer(program, () => note("standard input has ended: --step waits for Enter there"))
          .catch((error: Error) => note(`--step: ${error.message}`))
          .finally(() => {
            results.close();
            close(ours);
          });
      },
    };
  };
}

/** A program that runs, and how it is shown. */
interface Followed {
  /** Our end of what it asks through. */
  readonly gate: number;
  readonly steps: readonly Step[];
  pause(step: Step): void;
  /** @param index of the operation that has been done. */
  returned(index: number): void;
}

/**
 * Shows each operation that the program comes to, and lets it go on when it may.
 *
 * @param noInput is told that nobody will press Enter any more, before the container is given up: after that nobody waits for us.
 */
async function answer({ gate, steps, pause, returned }: Followed, noInput: () => void): Promise<void> {
  const lines = new Lines();
  /** What is passed without stopping. */
  let passed: (step: Step) => boolean = () => false;
  let last: number | undefined;
  for (;;) {
    const place = await receive(gate, 4);
    if (last !== undefined) returned(last);
    if (!place) return;
    last = new DataView(place.buffer).getUint32(0, true);
    const step = steps[last]!;
    pause(step);
    if (!passed(step)) {
      const line = await lines.next(gate);
      if (line === "gone") continue;
      if (line === undefined || line.trim() === QUIT) {
        if (line === undefined) noInput();
        // As Ctrl-C does: whatever there is of the container is cleared up.
        Deno.kill(Deno.pid, "SIGINT");
        await readable(gate);
        continue;
      }
      const word = line.trim();
      passed = word === GO_ON ? () => true : word === NEXT_PHASE ? ({ phase }) => phase === step.phase : () => false;
    }
    // It may have been killed meanwhile, which the next turn tells.
    trySyscall("write", gate, new Uint8Array(1), 1);
  }
}

/** Our standard input, line by line. */
class Lines {
  #text = "";
  readonly #decoder = new TextDecoder();

  /** The next line; undefined at the end of the input, `gone` if the other end of `gate` was closed while nobody typed. */
  async next(gate: number): Promise<string | undefined | "gone"> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      const typed = new AbortController(), ended = new AbortController();
      const isTyped = readable(0, ended.signal).finally(() => typed.abort());
      const isEnded = readable(gate, typed.signal).finally(() => ended.abort());
      if (await isEnded || !await isTyped) return "gone";
      const bytes = new Uint8Array(4096);
      // On another thread: others may read the same stream, and take what there was.
      const count = await waitingSyscall("read", 0, bytes, bytes.length);
      if (count === -Errno.EINTR || count === -Errno.EAGAIN) continue;
      if (count <= 0) return undefined;
      this.#text += this.#decoder.decode(bytes.subarray(0, count), { stream: true });
    }
  }
}
