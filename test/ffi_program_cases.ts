/** Programs that use everything a program can, with what must come out of them; run on every machine there is to run them on. */
import { assert, assertEquals } from "@std/assert";
import { AT_FDCWD, O_CREAT, O_WRONLY, P_ALL, WEXITED } from "../ffi/constants.ts";
import { type Argument, type Jump, op, type Operation, type Program, result } from "../ffi/program.ts";
import type { Results } from "../ffi/spawn.ts";

export interface Case {
  readonly name: string;
  /** @param folder an empty folder of its own. */
  readonly program: (folder: string) => Program;
  /** The exit status of the process; 0 where it is not given. */
  readonly status?: number;
  readonly check: (results: Results, folder: string) => void;
}

const exit = (status: Argument): Operation => op("exit_group", [status], "end");
const open = (path: string, flags: number, name: string): Operation =>
  op("openat", [AT_FDCWD, path, flags, 0o600], "open a file", { name, on: path });
const create = (path: string, name: string) => open(path, O_WRONLY | O_CREAT, name);
const add = (a: Argument, b: Argument, name: string, jump?: Jump): Operation =>
  op("add", [a, b], "count", jump ? { name, jump } : { name });

const KINDS: Record<Jump["when"], (value: bigint, than: bigint) => boolean> = {
  "<": (a, b) => a < b,
  "=": (a, b) => a === b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
  "!=": (a, b) => a !== b,
  "always": () => true,
};
const PAIRS: readonly [value: bigint, than: bigint][] = [
  [-5n, 3n],
  [3n, 3n],
  [4n, 3n],
  [-5000n, -4999n],
  [-4999n, -5000n],
  [-2n, -2n],
  [2n ** 62n, -1n],
  [-(2n ** 62n), 1n],
  [0xffff_ffffn, -1n],
  [2n ** 63n - 1n, -(2n ** 63n) + 1n],
];

/** For one comparison: the jump, an operation that is passed by if the jump is taken, and where the jump goes. */
function comparison(id: string, value: Argument, when: Jump["when"], than: Argument): Operation[] {
  return [
    add(value, 0, `compare ${id}`, { when, than, to: `after ${id}` }),
    add(1, 0, `not taken ${id}`),
    add(1, 0, `after ${id}`),
  ];
}
const wasTaken = (results: Results, id: string) => {
  assertEquals(results.of(`after ${id}`), 1);
  return results.of(`not taken ${id}`) === undefined;
};

/** Writes `bytes` to a cell by way of a file. */
const fill = (path: string, cell: string, size: number): Operation[] => [
  open(path, 0, `open for ${cell}`),
  op("read", [result(`open for ${cell}`), { cell, size }, size], "fill the cell", { name: `fill ${cell}` }),
];

const text = (path: string) => Deno.readTextFileSync(path);

const VALUES: Case[] = [
  {
    name: "every kind of jump is taken exactly when its comparison holds, as signed numbers",
    program: () => [
      ...Object.keys(KINDS).flatMap((when) =>
        PAIRS.flatMap(([a, b], i) => comparison(`${when} ${i}`, a, when as Jump["when"], b))
      ),
      exit(0),
    ],
    check(results) {
      for (const [when, holds] of Object.entries(KINDS)) {
        PAIRS.forEach(([a, b], i) => assertEquals(wasTaken(results, `${when} ${i}`), holds(a, b), `${a} ${when} ${b}`));
      }
    },
  },
  {
    name: "a jump compares with a value, a result or what is loaded from a cell",
    program(folder) {
      Deno.writeFileSync(`${folder}/number`, new Uint8Array(new BigInt64Array([77n]).buffer));
      const load = { load: "number", size: 8 };
      return [
        ...fill(`${folder}/number`, "number", 8),
        add(70, 7, "sum"),
        ...comparison("result, equal", 77, "=", result("sum")),
        ...comparison("result, less", 76, "=", result("sum")),
        ...comparison("load, equal", 77, "=", load),
        ...comparison("load, greater", 78, "=", load),
        ...comparison("load, greater as a kind", 78, ">", load),
        ...comparison("nothing given is 0", 0, "=", 0),
        exit(0),
      ];
    },
    check(results) {
      const ids = ["result, equal", "load, equal", "load, greater as a kind", "nothing given is 0"];
      for (const id of ids) assert(wasTaken(results, id), id);
      for (const id of ["result, less", "load, greater"]) assert(!wasTaken(results, id), id);
    },
  },
  {
    name: "add sums numbers, results and loads, wraps at 64 bits, and never counts as a failure",
    program(folder) {
      Deno.writeFileSync(`${folder}/number`, new Uint8Array(new BigInt64Array([40n]).buffer));
      return [
        ...fill(`${folder}/number`, "number", 8),
        add(-1, -1, "minus two"),
        add(result("minus two"), { load: "number", size: 8 }, "thirty-eight"),
        add(-1n, 1, "wraps"),
        add(0xffff_ffffn, 1, "beyond 32 bits"),
        exit(result("thirty-eight")),
      ];
    },
    status: 38,
    check(results) {
      assertEquals(results.of("minus two"), -2);
      assertEquals(results.of("wraps"), 0);
      assertEquals(results.of("beyond 32 bits"), 2 ** 32);
      assertEquals(results.failure(), undefined);
    },
  },
  {
    name: "a load takes 64 bits from any offset, aligned or not, even from a cell's last byte",
    program(folder) {
      Deno.writeFileSync(`${folder}/bytes`, Uint8Array.from({ length: 13 }, (_, i) => i % 4 === 3 ? 0 : i + 1));
      const at = (offset: number) => add({ load: "bytes", size: 13, offset }, 0, `at ${offset}`);
      return [...fill(`${folder}/bytes`, "bytes", 13), ...[5, 8, 9, 12].map(at), exit(0)];
    },
    check(results) {
      const bytes = Uint8Array.from({ length: 21 }, (_, i) => i > 12 || i % 4 === 3 ? 0 : i + 1);
      const view = new DataView(bytes.buffer);
      for (const i of [5, 8, 9, 12]) assertEquals(results.of(`at ${i}`), Number(view.getBigUint64(i, true)), `${i}`);
    },
  },
  {
    name: "words are laid down as the kernel reads them: numbers, strings, bytes and cells",
    program(folder) {
      Deno.writeTextFileSync(`${folder}/middle`, "beautiful ");
      const words = {
        words: ["hello ", 6, { cell: "middle", size: 16 }, 10, new TextEncoder().encode("world\n"), 6],
      };
      return [
        ...fill(`${folder}/middle`, "middle", 16),
        create(`${folder}/out`, "out"),
        op("writev", [result("out"), words, 3], "write three pieces", { name: "writev" }),
        exit(0),
      ];
    },
    check(results, folder) {
      assertEquals(results.of("writev"), 22);
      assertEquals(text(`${folder}/out`), "hello beautiful world\n");
    },
  },
  {
    name: "a cell is zero at first, lasting, and apart from the others",
    program: (folder) => [
      create(`${folder}/out`, "out"),
      op("getrandom", [{ cell: "noise", size: 24 }, 24, 0], "fill another cell"),
      op("write", [result("out"), { cell: "fresh", size: 40 }, 40], "write the cell out"),
      exit(0),
    ],
    check: (_, folder) => assertEquals(Deno.readFileSync(`${folder}/out`), new Uint8Array(40)),
  },
  {
    name: "a call may read a result through its address",
    program: (folder) => [
      create(`${folder}/out`, "out"),
      add(0x21_6b6f, 0, "letters"),
      op("write", [result("out"), { resultAddress: "letters" }, 3], "write the result itself"),
      exit(0),
    ],
    check: (_, folder) => assertEquals(text(`${folder}/out`), "ok!"),
  },
];

const FLOW: Case[] = [
  {
    name: "a loop copies a file byte by byte until its end",
    program(folder) {
      Deno.writeTextFileSync(`${folder}/in`, "The quick brown fox. ".repeat(50));
      return [
        open(`${folder}/in`, 0, "in"),
        create(`${folder}/out`, "out"),
        op("read", [result("in"), { cell: "byte", size: 1 }, 1], "read a byte", {
          name: "read",
          jump: { when: "=", to: "done" },
        }),
        op("write", [result("out"), { cell: "byte", size: 1 }, 1], "write it", {
          jump: { when: "always", to: "read" },
        }),
        { ...exit(3), name: "done" },
      ];
    },
    status: 3,
    check: (_, folder) => assertEquals(text(`${folder}/out`), text(`${folder}/in`)),
  },
  {
    name: "an optional operation's failure is noted and passed over",
    program: () => [
      { ...open("/proc/nothing/file", 0, "open"), optional: true },
      op("close", [-1], "close nothing", { name: "close", optional: true }),
      exit(4),
    ],
    status: 4,
    check(results) {
      assertEquals([results.of("open"), results.of("close")], [-2, -9]);
      assertEquals(results.failure(), undefined);
    },
  },
  {
    name: "a failure ends the process with 127 and is told with its operation, index and errno",
    program: () => [add(1, 1, "first"), open("/proc/nothing/file", 0, "bad"), add(1, 1, "never"), exit(0)],
    status: 127,
    check(results) {
      const failure = results.failure();
      assertEquals([failure?.index, failure?.errno], [2, 2]); // index 0 maps the results
      assertEquals(failure?.operation, results.program[2]!);
      assertEquals(failure?.operation.on, "/proc/nothing/file");
      assertEquals(results.of("never"), undefined);
    },
  },
  {
    name: "a failure that a jump takes is none, one that the jump does not take is",
    program: () => [
      { ...open("/proc/nothing/file", 0, "taken"), jump: { when: "=", than: -2, to: "on" } },
      exit(1),
      { ...open("/proc/nothing/file", 0, "on"), jump: { when: "=", than: -13, to: "never" } },
      exit(2),
      { ...exit(3), name: "never" },
    ],
    status: 127,
    check: (results) => assertEquals([results.failure()?.index, results.failure()?.errno], [3, 2]),
  },
  {
    name: "a large result, an address for example, is no failure",
    program: () => [
      op("mmap", [0, 4096, 3, 0x22, -1, 0], "map a page", { name: "page" }),
      op("munmap", [result("page"), 4096], "unmap it", { name: "munmap" }),
      exit(0),
    ],
    check: (results) => assertEquals([results.of("page")! > 2 ** 32, results.of("munmap")], [true, 0]),
  },
  {
    name: "a parent side of a fork waits, writes down how the child ended, renames and exits",
    program: (folder) => [
      op("clone", [17, /* SIGCHLD */ 0, 0, 0, 0], "fork", { name: "clone", jump: { when: ">", to: "parent" } }),
      create(`${folder}/child`, "child"),
      op("write", [result("child"), "child was here", 14], "leave a trace"),
      exit(42),
      op("waitid", [P_ALL, 0, { cell: "info", size: 128 }, WEXITED, 0], "wait", { name: "parent" }),
      create(`${folder}/.status`, "status"),
      op("write", [result("status"), { cell: "info", size: 128 }, 128], "write it down"),
      op("renameat2", [AT_FDCWD, `${folder}/.status`, AT_FDCWD, `${folder}/status`, 0], "all at once"),
      exit(5),
    ],
    status: 5,
    check(results, folder) {
      assertEquals(text(`${folder}/child`), "child was here");
      const info = new Int32Array(Deno.readFileSync(`${folder}/status`).buffer);
      assertEquals([info[0], info[2], info[6]], [17, 1, 42]); // SIGCHLD, CLD_EXITED, status
      assertEquals(results.failure(), undefined);
    },
  },
  {
    name: "a program is searched along a PATH by one execve after the other",
    program(folder) {
      Deno.writeTextFileSync(`${folder}/not-executable`, "", { mode: 0o644 });
      const paths = ["/proc/nothing/sh", `${folder}/not-executable`, "/bin/sh", "/proc/nothing/too"];
      return [
        op("rt_sigprocmask", [2, new Uint8Array(8), 0, 8], "let signals in"),
        ...paths.map((path) =>
          op("execve", [path, ["sh", "-c", `echo "$0 $1" > ${folder}/out; exit 9`], ["A=b"]], "try it", {
            optional: true,
            name: path,
            on: path,
          })
        ),
        exit(127),
      ];
    },
    status: 9,
    check(results, folder) {
      assertEquals(text(`${folder}/out`), "sh \n");
      assertEquals(results.of("/proc/nothing/sh"), -2);
      assertEquals(results.of(`${folder}/not-executable`), -13);
      assertEquals(results.of("/proc/nothing/too"), undefined);
    },
  },
  {
    name: "execve passes arguments and environment on as they are, empty ones too",
    program: (folder) => [
      op("rt_sigprocmask", [2, new Uint8Array(8), 0, 8], "let signals in"),
      op("execve", [
        "/bin/sh",
        ["sh", "-c", `printf '<%s>' "$@" "$VAR" > ${folder}/out`, "sh", "", "a b", "ü"],
        ["VAR=x=y", "EMPTY="],
      ], "run it"),
    ],
    check: (_, folder) => assertEquals(text(`${folder}/out`), "<><a b><ü><x=y>"),
  },
  {
    name: "a program may be thousands of operations long, with jumps across all of them",
    program: () => [
      add(1, 0, "begin", { when: "always", to: "end" }),
      { ...exit(6), name: "exit" },
      ...Array.from({ length: 3000 }, (_, i) => op("add", [i, "x".repeat(40) + i], "fill")),
      add(result("begin"), 1, "end", { when: "=", than: 2, to: "exit" }),
      exit(1),
    ],
    status: 6,
    check: (results) => assertEquals(results.of("end"), 2),
  },
];

export const CASES: readonly Case[] = [...VALUES, ...FLOW];
