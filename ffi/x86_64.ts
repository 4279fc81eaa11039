/**
 * The machine code of x86-64.
 *
 * An operation is 64 bytes (program.ts writes them):
 *
 *     +0  u32 nr        the system call's number; 0xffffffff: no call, the first two arguments are added
 *     +4  u8  flags     1: a failure is passed over; jump to `target` if the result is 2: less, 4: equal, 8: greater than `than`
 *     +5  u8  loads     bit i: argument i is an address, and the 64 bits there are the argument; bit 6: the same for `than`
 *     +6  u16 target    index of the operation that a jump goes to
 *     +8  u64 args[6]
 *     +56 i64 than
 *
 * The loop keeps rbx: this operation, r12: the first operation, r13: the results. Result i is a long at r13 + 8 i. When an
 * operation fails that may not, its index + 1 is stored at r13 - 8 and the process exits with 127. System calls clobber rax,
 * rcx and r11 only; no stack is used, so the child of CLONE_VM can run on its parent's. The timed loop keeps r14: the times.
 */
import type { Line, Machine } from "./machine_code.ts";

const line = (text: string, ...bytes: number[]): Line => ({ bytes, text });
const named = (name: string, l: Line): Line => ({ ...l, name });
const short = (text: string, opcode: number, to: string): Line => ({ bytes: [opcode, 0], text, to });
const near = (text: string, to: string): Line => ({ bytes: [0xe9, 0, 0, 0, 0], text, to });

/** The first line of the loop's own. */
const first = (): Line => argument("a0", 0, "rdi", [0x48, 0x8b, 0x7b], [0x48, 0x8b, 0x3f])[0]!;

/** Loads an argument, and if its bit in `loads` is set, what it points to. */
function argument(name: string, bit: number, register: string, load: number[], follow: number[]): Line[] {
  return [
    {
      bytes: [...load, bit === 6 ? 0x38 : 8 + 8 * bit],
      text: `mov ${register},QWORD PTR [rbx+0x${(8 + 8 * bit).toString(16)}]`,
    },
    line(`test BYTE PTR [rbx+0x5],0x${(1 << bit).toString(16)}`, 0xf6, 0x43, 0x05, 1 << bit),
    short("je", 0x74, `after ${name}`),
    line(`mov ${register},QWORD PTR [${register}]`, ...follow),
  ];
}

/** The time stamp counter in rax. */
const stamp = [
  line("rdtsc", 0x0f, 0x31),
  line("shl rdx,0x20", 0x48, 0xc1, 0xe2, 0x20),
  line("or rax,rdx", 0x48, 0x09, 0xd0),
];
/** Operation i's two times are at r14 + 16 i: before its arguments are loaded, and when its result is there. */
const before = (): Line[] => [
  named("next", stamp[0]!),
  ...stamp.slice(1),
  line("mov rcx,rbx", 0x48, 0x89, 0xd9),
  line("sub rcx,r12", 0x4c, 0x29, 0xe1),
  line("shr rcx,0x2", 0x48, 0xc1, 0xe9, 0x02),
  line("mov QWORD PTR [r14+rcx*1],rax", 0x49, 0x89, 0x04, 0x0e),
];
const after = (): Line[] => [
  ...stamp,
  line("mov rdx,rcx", 0x48, 0x89, 0xca),
  line("add rdx,rdx", 0x48, 0x01, 0xd2),
  line("mov QWORD PTR [r14+rdx*1+0x8],rax", 0x49, 0x89, 0x44, 0x16, 0x08),
  line("mov rax,QWORD PTR [r13+rcx*1+0x0]", 0x49, 0x8b, 0x44, 0x0d, 0x00),
];

/** Made when it is wanted: a command runs on one machine, and often makes no process at all. */
const makeLoop = (timed = false): Line[] => [
  // The first operation makes the memory for results and times: it has no time to begin at.
  ...(timed ? [near("jmp", "first"), ...before()] : []),
  named(timed ? "first" : "next", first()),
  ...argument("a0", 0, "rdi", [0x48, 0x8b, 0x7b], [0x48, 0x8b, 0x3f]).slice(1),
  ...([
    ["a1", 1, "rsi", [0x48, 0x8b, 0x73], [0x48, 0x8b, 0x36]],
    ["a2", 2, "rdx", [0x48, 0x8b, 0x53], [0x48, 0x8b, 0x12]],
    ["a3", 3, "r10", [0x4c, 0x8b, 0x53], [0x4d, 0x8b, 0x12]],
    ["a4", 4, "r8", [0x4c, 0x8b, 0x43], [0x4d, 0x8b, 0x00]],
    ["a5", 5, "r9", [0x4c, 0x8b, 0x4b], [0x4d, 0x8b, 0x09]],
  ] as const).flatMap(([name, bit, register, load, follow], i) => {
    const lines = argument(name, bit, register, [...load], [...follow]);
    return [named(`after a${i}`, lines[0]!), ...lines.slice(1)];
  }),
  named("after a5", line("mov eax,DWORD PTR [rbx]", 0x8b, 0x03)),
  line("cmp eax,0xffffffff", 0x83, 0xf8, 0xff),
  short("je", 0x74, "add"),
  line("syscall", 0x0f, 0x05),
  short("jmp", 0xeb, "store"),
  named("add", line("lea rax,[rdi+rsi*1]", 0x48, 0x8d, 0x04, 0x37)),
  named("store", line("mov rcx,rbx", 0x48, 0x89, 0xd9)),
  line("sub rcx,r12", 0x4c, 0x29, 0xe1),
  line("shr rcx,0x3", 0x48, 0xc1, 0xe9, 0x03),
  line("mov QWORD PTR [r13+rcx*1+0x0],rax", 0x49, 0x89, 0x44, 0x0d, 0x00),
  ...(timed ? after() : []),
  ...argument("than", 6, "rcx", [0x48, 0x8b, 0x4b], [0x48, 0x8b, 0x09]),
  named("after than", line("mov dl,BYTE PTR [rbx+0x4]", 0x8a, 0x53, 0x04)),
  line("cmp rax,rcx", 0x48, 0x39, 0xc8),
  short("jl", 0x7c, "less"),
  short("je", 0x74, "equal"),
  line("test dl,0x8", 0xf6, 0xc2, 0x08),
  short("jne", 0x75, "jump"),
  short("jmp", 0xeb, "check"),
  named("less", line("test dl,0x2", 0xf6, 0xc2, 0x02)),
  short("jne", 0x75, "jump"),
  short("jmp", 0xeb, "check"),
  named("equal", line("test dl,0x4", 0xf6, 0xc2, 0x04)),
  short("jne", 0x75, "jump"),
  named("check", line("cmp rax,0xfffffffffffff000", 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff)),
  short("ja", 0x77, "failed"),
  named("advance", line("add rbx,0x40", 0x48, 0x83, 0xc3, 0x40)),
  near("jmp", "next"),
  named("failed", line("test dl,0x1", 0xf6, 0xc2, 0x01)),
  short("jne", 0x75, "advance"),
  line("sub rbx,r12", 0x4c, 0x29, 0xe3),
  line("shr rbx,0x6", 0x48, 0xc1, 0xeb, 0x06),
  line("inc rbx", 0x48, 0xff, 0xc3),
  line("mov QWORD PTR [r13-0x8],rbx", 0x49, 0x89, 0x5d, 0xf8),
  line("mov edi,0x7f", 0xbf, 0x7f, 0, 0, 0),
  line("mov eax,0xe7", 0xb8, 0xe7, 0, 0, 0), // exit_group
  line("syscall", 0x0f, 0x05),
  named("jump", line("movzx ecx,WORD PTR [rbx+0x6]", 0x0f, 0xb7, 0x4b, 0x06)),
  line("shl rcx,0x6", 0x48, 0xc1, 0xe1, 0x06),
  line("lea rbx,[r12+rcx*1]", 0x49, 0x8d, 0x1c, 0x0c),
  near("jmp", "next"),
];

const le32 = (n: number) => [n & 0xff, n >> 8 & 0xff, n >> 16 & 0xff, n >>> 24];
const hex = (n: number) => `0x${n.toString(16)}`;

export const x86_64: Machine = {
  name: "x86_64",
  column: 0,
  elfMachine: 62,
  // The C ABI has the arguments in rdi rsi rdx rcx r8 r9 and on the stack, the kernel in rax, rdi rsi rdx r10 r8 r9.
  get call() {
    return [
      line("mov rax,rdi", 0x48, 0x89, 0xf8),
      line("mov rdi,rsi", 0x48, 0x89, 0xf7),
      line("mov rsi,rdx", 0x48, 0x89, 0xd6),
      line("mov rdx,rcx", 0x48, 0x89, 0xca),
      line("mov r10,r8", 0x4d, 0x89, 0xc2),
      line("mov r8,r9", 0x4d, 0x89, 0xc8),
      line("mov r9,QWORD PTR [rsp+0x8]", 0x4c, 0x8b, 0x4c, 0x24, 0x08),
      line("syscall", 0x0f, 0x05),
      line("ret", 0xc3),
    ];
  },
  get spawn() {
    return [
      line("push rbx", 0x53),
      line("push r12", 0x41, 0x54),
      line("push r13", 0x41, 0x55),
      line("mov rbx,rdx", 0x48, 0x89, 0xd3),
      line("mov r12,rdx", 0x49, 0x89, 0xd4),
      line("mov r13,rcx", 0x49, 0x89, 0xcd),
      line("mov eax,0x1b3", 0xb8, 0xb3, 0x01, 0, 0), // clone3
      line("syscall", 0x0f, 0x05),
      line("test rax,rax", 0x48, 0x85, 0xc0),
      short("je", 0x74, "next"),
      line("pop r13", 0x41, 0x5d),
      line("pop r12", 0x41, 0x5c),
      line("pop rbx", 0x5b),
      line("ret", 0xc3),
      ...makeLoop(),
    ];
  },
  get counter() {
    return [...stamp, line("ret", 0xc3)];
  },
  start: (operations, results, times) => [
    line(`mov ebx,${hex(operations)}`, 0xbb, ...le32(operations)),
    line("mov r12,rbx", 0x49, 0x89, 0xdc),
    line(`mov r13d,${hex(results)}`, 0x41, 0xbd, ...le32(results)),
    ...(times === undefined ? [] : [line(`mov r14d,${hex(times)}`, 0x41, 0xbe, ...le32(times))]),
    ...makeLoop(times !== undefined),
  ],
  setDistance(bytes, distance) {
    const relative = distance - bytes.length; // x86 counts from the instruction behind the jump
    if (bytes.length === 2) {
      if (relative < -128 || relative > 127) throw new Error(`machine code: a short jump cannot go ${relative} bytes`);
      bytes[1] = relative & 0xff;
    } else {
      bytes.splice(1, 4, ...le32(relative));
    }
  },
};
