/** Filters as Debian's libseccomp makes them, fed with a section in the way that runc does it. */
import { MFD_CLOEXEC } from "../ffi/constants.ts";
import { close, syscall } from "../ffi/kernel.ts";
import type { LinuxSeccomp, SeccompSyscall } from "../runtime/seccomp_types.ts";
import type { Architecture } from "../runtime/seccomp_verdicts.ts";

/** SCMP_ARCH_…, which are the kernel's AUDIT_ARCH_… but for x32's. */
export const SCMP_ARCH: Record<string, number> = {
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X32: 0x4000003e,
  SCMP_ARCH_ARM: 0x40000028,
  SCMP_ARCH_AARCH64: 0xc00000b7,
};
const OPERATORS = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
const NAME_UNKNOWN = -1, SCMP_FLTATR_CTL_OPTIMIZE = 8;

const SYMBOLS = {
  seccomp_init: { parameters: ["u32"], result: "pointer" },
  seccomp_release: { parameters: ["pointer"], result: "void" },
  seccomp_arch_add: { parameters: ["pointer", "u32"], result: "i32" },
  seccomp_arch_remove: { parameters: ["pointer", "u32"], result: "i32" },
  seccomp_arch_native: { parameters: [], result: "u32" },
  seccomp_attr_set: { parameters: ["pointer", "u32", "u32"], result: "i32" },
  seccomp_syscall_resolve_name: { parameters: ["buffer"], result: "i32" },
  seccomp_syscall_resolve_name_arch: { parameters: ["u32", "buffer"], result: "i32" },
  seccomp_rule_add_array: { parameters: ["pointer", "u32", "i32", "u32", "buffer"], result: "i32" },
  seccomp_export_bpf: { parameters: ["pointer", "i32"], result: "i32" },
} as const;

/** libseccomp, or undefined where it is not installed. */
export function openLibseccomp(): Libseccomp | undefined {
  try {
    return new Libseccomp(Deno.dlopen("libseccomp.so.2", SYMBOLS));
  } catch {
    return undefined;
  }
}

const EEXIST = -17;

export class Libseccomp implements Disposable {
  readonly #library: Deno.DynamicLibrary<typeof SYMBOLS>;

  constructor(library: Deno.DynamicLibrary<typeof SYMBOLS>) {
    this.#library = library;
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }

  /** The number of a call; undefined if libseccomp does not know one. */
  numberOf(name: string, architecture: string): number | undefined {
    const number = this.#library.symbols.seccomp_syscall_resolve_name_arch(SCMP_ARCH[architecture]!, cString(name));
    return number < 0 ? undefined : number;
  }

  /** Whether libseccomp has heard of the name on any architecture. */
  knows(name: string): boolean {
    return this.#library.symbols.seccomp_syscall_resolve_name(cString(name)) !== NAME_UNKNOWN;
  }

  /** The filter; undefined if libseccomp refuses rules that contradict each other. */
  compile(
    section: LinuxSeccomp,
    architecture: Architecture,
    action: (call: Actioned) => number,
  ): Uint8Array | undefined {
    const { symbols } = this.#library;
    const defaultAction = action({ action: section.defaultAction, errnoRet: section.defaultErrnoRet });
    const context = symbols.seccomp_init(defaultAction);
    const check = (result: number, what: string) => {
      if (result !== 0) throw new Error(`libseccomp: ${what}: ${result}`);
    };
    try {
      const native = symbols.seccomp_arch_native(), own = SCMP_ARCH[`SCMP_ARCH_${architecture.toUpperCase()}`]!;
      const wanted = new Set([own, ...(section.architectures ?? []).map((name) => SCMP_ARCH[name]!)]);
      for (const token of wanted) if (token !== native) check(symbols.seccomp_arch_add(context, token), "arch_add");
      if (!wanted.has(native)) check(symbols.seccomp_arch_remove(context, native), "arch_remove");
      const calls = section.syscalls ?? [];
      if (calls.length > 8) check(symbols.seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize");
      for (const call of calls) {
        const value = action(call);
        if (value === defaultAction) continue;
        for (const name of call.names) {
          const number = symbols.seccomp_syscall_resolve_name(cString(name));
          if (number === NAME_UNKNOWN) continue;
          for (const list of alternatives(call)) {
            const result = symbols.seccomp_rule_add_array(context, value, number, list.length, comparisons(list));
            if (result === EEXIST) return undefined;
            check(result, `rule_add ${name}`);
          }
        }
      }
      const fd = syscall("memfd_create", "filter", MFD_CLOEXEC);
      try {
        check(symbols.seccomp_export_bpf(context, fd), "export_bpf");
        const bytes = new Uint8Array(8 * 65536);
        return bytes.slice(0, syscall("pread64", fd, bytes, bytes.length, 0));
      } finally {
        close(fd);
      }
    } finally {
      symbols.seccomp_release(context);
    }
  }
}

/** What decides on the value that a filter returns. */
export type Actioned = { readonly action: SeccompSyscall["action"]; readonly errnoRet?: number | undefined };

const cString = (text: string) => new TextEncoder().encode(`${text}\0`);

/** As runc: conditions on one argument are alternatives. */
function alternatives({ args = [] }: SeccompSyscall): NonNullable<SeccompSyscall["args"]>[] {
  return new Set(args.map((a) => a.index)).size < args.length ? args.map((a) => [a]) : [args];
}

/** struct scmp_arg_cmp[] */
function comparisons(args: NonNullable<SeccompSyscall["args"]>): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(24 * args.length || 24));
  args.forEach(({ index, op, value, valueTwo = 0 }, i) => {
    view.setUint32(24 * i, index, true);
    view.setUint32(24 * i + 4, 1 + OPERATORS.indexOf(op.replace("SCMP_CMP_", "")), true);
    view.setBigUint64(24 * i + 8, BigInt(value), true);
    view.setBigUint64(24 * i + 16, BigInt(valueTwo), true);
  });
  return new Uint8Array(view.buffer);
}
