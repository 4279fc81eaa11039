import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createProgress, type ProgressSink } from "./progress.ts";
import { clipped, formatBytes, layerLine } from "./progress_line.ts";

/** A terminal that keeps what a person would see: knows the few sequences that are used. */
class Screen implements ProgressSink {
  lines: string[] = [""];
  row = 0;
  writes = 0;
  constructor(readonly columns = 80, readonly rows = 10) {}
  size() {
    return { columns: this.columns, rows: this.rows };
  }
  write(text: string): void {
    this.writes++;
    // deno-lint-ignore no-control-regex
    for (const part of text.split(/(\x1b\[\d*[A-Z]|[\r\n])/)) {
      // deno-lint-ignore no-control-regex
      const up = /^\x1b\[(\d+)A$/.exec(part);
      if (up) this.row -= Number(up[1]);
      else if (part === "\n") this.row++;
      else if (part === "\x1b[K") continue;
      else if (part === "\x1b[J") this.lines.length = this.row + 1;
      else if (part !== "\r" && part !== "") {
        assert(part.length < this.columns, `a line of ${part.length} would wrap`);
        this.lines[this.row] = part;
      }
      assert(this.row >= 0);
      this.lines[this.row] ??= "";
    }
  }
}

class Pipe implements ProgressSink {
  text = "";
  size() {
    return undefined;
  }
  write(text: string): void {
    this.text += text;
  }
}

Deno.test("on a terminal each layer has one line that is drawn in place", () => {
  const screen = new Screen();
  const progress = createProgress(screen);
  progress.message("latest: Pulling from library/alpine");
  progress.layer("aaaaaaaaaaaa", "Pulling fs layer");
  progress.layer("bbbbbbbbbbbb", "Downloading", 5_000_000, 10_000_000);
  progress.message("a word between");
  assertEquals(screen.lines.slice(0, 3), [
    "latest: Pulling from library/alpine",
    "a word between",
    "aaaaaaaaaaaa: Pulling fs layer",
  ]);
  assertStringIncludes(screen.lines[3]!, "bbbbbbbbbbbb: Downloading [");
  progress.layer("aaaaaaaaaaaa", "Pull complete");
  progress.layer("bbbbbbbbbbbb", "Pull complete");
  progress.end();
  progress.message("Digest: sha256:0");
  assertEquals(screen.lines.slice(2), [
    "aaaaaaaaaaaa: Pull complete",
    "bbbbbbbbbbbb: Pull complete",
    "Digest: sha256:0",
    "",
  ]);
});

Deno.test("many changes are drawn a few times a second", async () => {
  const screen = new Screen();
  const progress = createProgress(screen);
  for (let i = 0; i < 10_000; i++) progress.layer("aaaaaaaaaaaa", "Downloading", i, 10_000);
  await new Promise((resolve) => setTimeout(resolve, 350));
  progress.end();
  assert(screen.writes >= 2 && screen.writes <= 5, `${screen.writes} writes`);
});

Deno.test("more layers than the screen has lines are summed up", () => {
  const screen = new Screen(60, 6);
  const progress = createProgress(screen);
  for (let i = 0; i < 40; i++) progress.layer(`layer${i}`, i < 20 ? "Pull complete" : "Waiting");
  progress.end();
  assert(screen.lines.length <= 6);
  assertStringIncludes(screen.lines.join("\n"), "20 of 40 layers complete");
  assertStringIncludes(screen.lines.join("\n"), "layer20: Waiting");
});

Deno.test("without a terminal there is a line for each change of state and none for bytes", () => {
  const pipe = new Pipe();
  const progress = createProgress(pipe);
  progress.layer("a", "Pulling fs layer");
  for (let i = 0; i < 5; i++) progress.layer("a", "Downloading", i, 5);
  progress.layer("a", "Download complete");
  progress.layer("a", "Download complete");
  progress.layer("a", "Extracting", 1, 5);
  progress.layer("a", "Pull complete");
  progress.end();
  assertEquals(pipe.text, "a: Pulling fs layer\na: Download complete\na: Pull complete\n");
});

Deno.test("a line fits any width", () => {
  for (let columns = 1; columns < 200; columns++) {
    const line = layerLine(
      "aaaaaaaaaaaa",
      "Downloading",
      { done: 123_456_789, total: 234_567_890, speed: 99_999_999 },
      columns,
    );
    assert(columns < 60 || line.length < columns, `${columns}: ${line}`);
    assert(clipped(line, columns - 1).length < columns || columns === 1);
  }
  assertEquals(
    layerLine("id", "Pushing", { done: 50, total: 100, speed: undefined }, 43),
    "id: Pushing [====>    ]  50B/100B",
  );
  assertEquals(layerLine("id", "Pushing", { done: 7, total: 0 }, 80), "id: Pushing 7B");
});

Deno.test("bytes have three digits and Docker's units", () => {
  const table: [number, string][] = [
    [0, "0B"],
    [999, "999B"],
    [1000, "1.00kB"],
    [12_345, "12.3kB"],
    [999_499, "999kB"],
    [
      999_500,
      "1.00MB",
    ],
    [150e6, "150MB"],
    [9.99e9, "9.99GB"],
    [1e15, "1000TB"],
  ];
  for (const [bytes, text] of table) assertEquals(formatBytes(bytes), text);
});
