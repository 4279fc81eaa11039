/**
 * What a person sees of a pull or a push: on a terminal a live line for each layer, redrawn in place; elsewhere a line
 * for each change, as Docker prints them; with `-q` nothing.
 */
import { clipped, layerLine } from "./progress_line.ts";

/** The states of a layer, as Docker calls them. */
export type LayerState =
  | "Pulling fs layer"
  | "Waiting"
  | "Downloading"
  | "Download complete"
  | "Verifying Checksum"
  | "Extracting"
  | "Pull complete"
  | "Already exists"
  | "Preparing"
  | "Pushing"
  | "Pushed"
  | "Layer already exists"
  | `Mounted from ${string}`
  | `Retrying in ${string}`;

/** Where progress is told. Every function returns at once. */
export interface Progress {
  /** A whole line of its own: `latest: Pulling from library/alpine`. */
  message(text: string): void;
  /**
   * Where a layer stands.
   *
   * @param id its short digest.
   * @param done bytes, for the states in which something moves.
   * @param total bytes in all.
   */
  layer(id: string, state: LayerState, done?: number, total?: number): void;
  /** Draws the layers a last time and leaves them; what follows stands below. To be called after a failure, too. */
  end(): void;
}

/** What progress is written to. */
export interface ProgressSink {
  write(text: string): void;
  /** The size of the terminal in characters; undefined when it is none. */
  size(): { columns: number; rows: number } | undefined;
}

/** The states in which bytes move; only a terminal shows how far they are. */
const MOVING: ReadonlySet<string> = new Set(["Downloading", "Extracting", "Pushing"]);
/** The states after which nothing more is to come. */
const FINISHED = /^(?:Pull complete|Already exists|Pushed|Layer already exists|Mounted from .*)$/;
const REDRAW_MS = 100;
/** Speeds are of about so many milliseconds. */
const SPEED_WINDOW_MS = 2000;

/** Tells nobody anything. */
export const silent: Progress = { message() {}, layer() {}, end() {} };

/** A progress that suits the sink: live on a terminal, else lines. */
export function createProgress(sink: ProgressSink): Progress {
  return sink.size() === undefined ? new LineProgress(sink) : new LiveProgress(sink);
}

/** Standard output or standard error as a sink. */
export function streamSink(stream: { writeSync(bytes: Uint8Array): number; isTerminal(): boolean }): ProgressSink {
  const terminal = stream.isTerminal() && (Deno.env.get("TERM") ?? "dumb") !== "dumb";
  return {
    write(text) {
      let bytes = new TextEncoder().encode(text);
      while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
    },
    size() {
      if (!terminal) return undefined;
      try {
        const { columns, rows } = Deno.consoleSize();
        return { columns: columns || 80, rows: rows || 24 }; // a serial console says 0
      } catch {
        return { columns: 80, rows: 24 }; // some pseudo terminals have no size
      }
    },
  };
}

/** A line for each change of state. */
class LineProgress implements Progress {
  readonly #states = new Map<string, string>();
  constructor(private readonly sink: ProgressSink) {}
  message(text: string): void {
    this.sink.write(`${text}\n`);
  }
  layer(id: string, state: LayerState): void {
    if (MOVING.has(state) || state === "Waiting" || this.#states.get(id) === state) return;
    this.#states.set(id, state);
    this.sink.write(`${id}: ${state}\n`);
  }
  end(): void {}
}

interface Layer {
  state: LayerState;
  done: number;
  total: number;
  /** Moments (milliseconds) and bytes within the speed's window. */
  samples: [time: number, done: number][];
}

/** A block of lines at the bottom of the screen that is drawn again ten times a second. */
class LiveProgress implements Progress {
  readonly #layers = new Map<string, Layer>();
  #drawn = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #changed = false;
  constructor(private readonly sink: ProgressSink) {}

  message(text: string): void {
    this.#draw(`${text}\n`);
  }

  layer(id: string, state: LayerState, done = 0, total = 0): void {
    let layer = this.#layers.get(id);
    if (layer === undefined) this.#layers.set(id, layer = { state, done, total, samples: [] });
    if (layer.state !== state) layer.samples = [];
    Object.assign(layer, { state, done, total });
    this.#changed = true;
    this.#timer ??= setInterval(() => this.#changed && this.#draw(), REDRAW_MS);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#draw();
    this.#layers.clear();
    this.#drawn = 0;
  }

  /** Draws the block anew, below `above`, with one write, so that nothing flickers. */
  #draw(above = ""): void {
    this.#changed = false;
    const { columns, rows } = this.sink.size() ?? { columns: 80, rows: 24 };
    const now = performance.now();
    const lines = this.#lines(columns, Math.max(1, rows - 2), now);
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A\r` : "";
    if (up === "" && above === "" && lines.length === 0) return;
    // Each line is cut to the width, or a wrapped one would be counted as one and drawn over.
    const text = above.split("\n").slice(0, -1).map((line) => `${line}\x1b[K\n`).join("") +
      lines.map((line) => `${clipped(line, columns - 1)}\x1b[K\n`).join("");
    this.sink.write(`${up}${text}\x1b[J`);
    this.#drawn = lines.length;
  }

  #lines(columns: number, most: number, now: number): string[] {
    const layers = [...this.#layers];
    // More layers than lines: those that are done make room, then those that wait.
    const shown = layers.length <= most
      ? layers
      : layers.filter(([, { state }]) => !FINISHED.test(state)).slice(0, Math.max(0, most - 1));
    const lines = shown.map(([id, layer]) => {
      const { state, done, total, samples } = layer;
      const moving = MOVING.has(state);
      return layerLine(id, state, moving ? { done, total, speed: speed(samples, now, done) } : undefined, columns);
    });
    if (shown.length < layers.length) {
      const finished = layers.filter(([, { state }]) => FINISHED.test(state)).length;
      lines.push(`${finished} of ${layers.length} layers complete`);
    }
    return lines;
  }
}

/** Bytes a second over the last moments, or undefined while it is too early to say. */
function speed(samples: [time: number, done: number][], now: number, done: number): number | undefined {
  samples.push([now, done]);
  while (samples.length > 2 && now - samples[0]![0] > SPEED_WINDOW_MS) samples.shift();
  const [time, before] = samples[0]!;
  return now - time < 200 ? undefined : Math.max(0, (done - before) / (now - time) * 1000);
}
