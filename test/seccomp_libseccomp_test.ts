/**
 * The filters that mini compiles against two judges: what the words of the specification say, and Debian's libseccomp, fed as runc
 * feeds it. Sections are made at random from seeds, so that a failure is the same the next time.
 */
import { assert, assertEquals } from "@std/assert";
import { compileSeccomp } from "../runtime/seccomp.ts";
import { defaultSeccomp } from "../runtime/seccomp_default.ts";
import { CAPABILITIES, DEFAULT_CAPABILITIES } from "../runtime/capabilities.ts";
import type { LinuxSeccomp } from "../runtime/seccomp_types.ts";
import type { Architecture } from "../runtime/seccomp_verdicts.ts";
import { type Call, Interpreter, seccompData } from "./seccomp_interpreter.ts";
import { type Libseccomp, openLibseccomp } from "./seccomp_libseccomp.ts";
import {
  actionValue,
  ALL_NAMES,
  CALL_KINDS,
  doubtful,
  everyNumber,
  interestingArgs,
  kindsOf,
  meaning,
  Random,
  randomSection,
  type SectionOptions,
} from "./seccomp_sections.ts";

const MACHINES = [
  {
    architecture: "x86_64",
    own: "SCMP_ARCH_X86_64",
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  },
  { architecture: "aarch64", own: "SCMP_ARCH_AARCH64", architectures: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"] },
] as const;
/** socketcall and ipc of i386: what they get comes from rules about other calls as well. */
const MULTIPLEXERS = ["socketcall", "ipc"];

const hex = (_: string, value: unknown) => typeof value === "bigint" ? `0x${value.toString(16)}` : value;
const show = (call: Call) =>
  `arch ${call.arch.toString(16)} call ${call.number} (${call.args.map((a) => a.toString(16))})`;

/** Whether libseccomp has the same number as we, or none because it counts the call among those that i386 multiplexes. */
function agreesOn(library: Libseccomp, name: string, kind: string): boolean {
  const theirs = library.numberOf(name, kind);
  return theirs === CALL_KINDS[kind]!.numbers.get(name) || (theirs === undefined && kind === "SCMP_ARCH_X86");
}

function withLibseccomp(name: string, test: (library: Libseccomp) => void): void {
  const library = openLibseccomp();
  Deno.test({
    name: `${name}${library ? "" : " (needs libseccomp2)"}`,
    ignore: !library,
    fn: () => test(library!),
    // The library stays open for the whole file.
    sanitizeResources: false,
  });
}

withLibseccomp("libseccomp has the same number for every call that it knows, on every architecture", (library) => {
  let compared = 0;
  for (const name of ALL_NAMES.filter((name) => library.knows(name))) {
    for (const kind of Object.keys(CALL_KINDS)) {
      const theirs = library.numberOf(name, kind);
      if (theirs === undefined) continue;
      compared++;
      assertEquals(CALL_KINDS[kind]!.numbers.get(name), theirs, `${name} on ${kind}`);
    }
  }
  assert(compared > 1500, `${compared} numbers compared`);
});

/** Every call worth trying on a section, with the name that it is about if there is one. */
function* calls(
  section: LinuxSeccomp,
  architecture: Architecture,
  random: Random,
): Generator<Call & { name?: string; kind?: string }> {
  yield* everyNumber(architecture);
  const names = (section.syscalls ?? []).filter((rule) => rule.args).flatMap((rule) => rule.names);
  for (const name of new Set(names)) {
    for (const kind of kindsOf(section, architecture)) {
      const { numbers, is64, audit } = CALL_KINDS[kind]!, number = numbers.get(name);
      if (number === undefined) continue;
      for (const wide of interestingArgs(section, name, random)) {
        const args = is64 ? wide : wide.map((arg) => BigInt.asUintN(32, arg));
        yield { arch: audit, number, args, kind, ...MULTIPLEXERS.includes(name) ? {} : { name } };
      }
    }
  }
}

function compare(
  library: Libseccomp,
  seeds: readonly [number, number],
  shape: Omit<SectionOptions, "names" | "architectures">,
) {
  let byMeaning = 0, byLibrary = 0, refused = 0;
  for (let seed = seeds[0]; seed < seeds[1]; seed++) {
    const { architecture, architectures, own } = MACHINES[seed % 2]!;
    const known = ALL_NAMES.filter((name) =>
      library.knows(name) && Object.keys(CALL_KINDS).every((kind) => agreesOn(library, name, kind))
    )
      // libseccomp 2.5 forgets to load the number where the machine has no such call and there are few others.
      .filter((name) => architecture === "x86_64" || CALL_KINDS[own]!.numbers.has(name));
    const random = new Random(seed), section = randomSection(random, { ...shape, names: known, architectures });
    const ours = new Interpreter(compileSeccomp(section, { architecture, newerCallsAreMissing: false }).bytes);
    const filter = library.compile(section, architecture, actionValue);
    // Rules about several socket calls may contradict each other where i386 makes them all through socketcall.
    if (!filter) refused++;
    const theirs = filter && !shape.contradictory ? new Interpreter(filter) : undefined;
    const doubts = doubtful(section);
    const doubtfulNumbers = new Set(
      [...doubts, ...doubts.size > 0 ? MULTIPLEXERS : []].flatMap((name) =>
        kindsOf(section, architecture).map((kind) => CALL_KINDS[kind]!.numbers.get(name))
      ),
    );
    for (const call of calls(section, architecture, random)) {
      const data = seccompData(call), { value } = ours.run(data);
      const where = () => `seed ${seed}: ${show(call)} in ${JSON.stringify(section, hex)}`;
      if (call.name !== undefined) {
        byMeaning++;
        if (value !== meaning(section, call.kind!, call.name, call.args)) {
          assertEquals(
            value.toString(16),
            meaning(section, call.kind!, call.name, call.args).toString(16),
            `specification, ${where()}`,
          );
        }
      }
      if (theirs && !doubtfulNumbers.has(call.number)) {
        byLibrary++;
        const verdict = theirs.run(data).value;
        if (value !== verdict) assertEquals(value.toString(16), verdict.toString(16), `libseccomp, ${where()}`);
      }
    }
  }
  assert(shape.contradictory || refused <= 2, `libseccomp refuses ${refused} sections`);
  return { byMeaning, byLibrary };
}

withLibseccomp("filters with one comparison for each call say what libseccomp's say", (library) => {
  assert(compare(library, [1, 25], { contradictory: false, rules: 1, conditions: 1 }).byLibrary > 100_000);
});

withLibseccomp(
  "filters with several rules for each call and several comparisons in each say what libseccomp's say",
  (library) => {
    const { byMeaning, byLibrary } = compare(library, [100, 140], { contradictory: false, rules: 3, conditions: 3 });
    assert(byLibrary > 150_000 && byMeaning > 3_000, `${byLibrary} ${byMeaning}`);
  },
);

withLibseccomp("of rules that contradict each other the stricter one counts", (library) => {
  assert(compare(library, [200, 220], { contradictory: true, rules: 4, conditions: 2 }).byMeaning > 3_000);
});

withLibseccomp(
  "the default profile says what libseccomp makes of it, with no capability, the default ones and all",
  (library) => {
    for (const { architecture } of MACHINES) {
      for (const capabilities of [[], DEFAULT_CAPABILITIES, CAPABILITIES]) {
        const section = defaultSeccomp(capabilities, architecture), random = new Random(1);
        const ours = new Interpreter(compileSeccomp(section, { architecture, newerCallsAreMissing: false }).bytes);
        const theirs = new Interpreter(library.compile(section, architecture, actionValue)!);
        assert(ours.length * 2 < theirs.length, `${ours.length} instructions, libseccomp ${theirs.length}`);
        // Those that this libseccomp has not heard of are left to its default.
        const unknown = new Set(
          ALL_NAMES.filter((name) => !library.knows(name)).flatMap((name) =>
            Object.values(CALL_KINDS).map(({ numbers }) => numbers.get(name))
          ),
        );
        let steps = 0, theirSteps = 0, compared = 0;
        for (const call of calls(section, architecture, random)) {
          if (unknown.has(call.number)) continue;
          const data = seccompData(call), mine = ours.run(data), verdict = theirs.run(data);
          if (mine.value !== verdict.value) {
            assertEquals(
              mine.value.toString(16),
              verdict.value.toString(16),
              show(call),
            );
          }
          steps += mine.steps;
          theirSteps += verdict.steps;
          compared++;
        }
        assert(compared > 5000);
        assert(steps <= theirSteps, `${steps} instructions run, libseccomp's ${theirSteps}`);
      }
    }
  },
);
