/**
 * A machine that lives for one command: QEMU with a Debian kernel whose cgroups are all version 2, on this machine's own files.
 * It needs no hardware's help, and takes a few seconds to start without it. What it writes goes to a disk of its own.
 */
import { isThere } from "../../ffi/is_there.ts";
import { cpio, type Entry } from "./cpio.ts";
import { type Kernel, kernel, moduleFiles } from "./kernel.ts";
import { Unavailable } from "./unavailable.ts";

/** What is run, and for how long. */
export interface Job {
  /** A line for sh, in the folder `project`. It writes its report to /run/report.xml. */
  readonly command: string;
  readonly project: string;
  /** Until the machine is switched off, whatever it does. */
  readonly milliseconds: number;
  /** Gets what the command prints as it comes. */
  readonly print: (text: string) => void;
}

/** How it ended. */
export interface Outcome {
  /** The command's exit status; undefined if the machine did not come to its end. */
  readonly status: number | undefined;
  readonly report: string;
  /** Why it did not: what the kernel said last. */
  readonly log: string;
  readonly late: boolean;
}

const MEMORY_MIB = 2048, DISK_BYTES = 4 * 2 ** 30;
/** The folder of the machine's own disk, for tests. */
export const DISK_FOLDER = "/var/tests";
const MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "virtiofs", "ext4", "overlay"];
const VIRTIOFSD = ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd"];

/** @throws {Unavailable} where there is no such machine to be had. */
export async function runInMachine(job: Job): Promise<Outcome> {
  if (Deno.build.arch !== "x86_64") throw new Unavailable("the test machine is for x86-64");
  if (Deno.uid() !== 0) throw new Unavailable("the test machine sees all files, so it needs root");
  const qemu = find("qemu-system-x86_64", (Deno.env.get("PATH") ?? "").split(":"));
  const daemon = VIRTIOFSD.find(isThere);
  const mkfs = find("mkfs.ext4", ["/usr/sbin", "/sbin"]), busybox = find("busybox", ["/bin", "/usr/bin"]);
  for (
    const [path, name] of [[qemu, "qemu-system-x86"], [daemon, "virtiofsd"], [mkfs, "e2fsprogs"], [
      busybox,
      "busybox-static",
    ]]
  ) {
    if (path === undefined) throw new Unavailable(`the test machine needs Debian's package ${name}`);
  }
  const cache = `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/mini-test-machine`;
  const booted = await kernel(cache);
  const folder = Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "mini-machine-" });
  try {
    Deno.writeFileSync(`${folder}/initrd`, firstRoot(booted, job, Deno.readFileSync(busybox!)));
    await makeDisk(mkfs!, `${folder}/disk`);
    return await boot(qemu!, daemon!, booted, folder, job);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const find = (program: string, folders: string[]) => folders.map((folder) => `${folder}/${program}`).find(isThere);

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** What the kernel starts with: busybox, the modules that reach the host's files, and the first program. */
function firstRoot(booted: Kernel, { command, project }: Job, busybox: Uint8Array): Uint8Array<ArrayBuffer> {
  const own = (name: string) => Deno.readTextFileSync(new URL(name, import.meta.url));
  const inherited = ["HOME", "PATH", "LANG", "DENO_DIR", "XDG_CACHE_HOME"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [`export ${name}=${quote(value)}`];
  });
  const settings = { modules: booted.modules, project, command: [...inherited, command].join("; ") };
  const files: Entry[] = [
    { path: "init", content: own("init.sh"), executable: true },
    { path: "job", content: own("job.sh") },
    {
      path: "settings",
      content: Object.entries(settings).map(([name, value]) => `${name}=${quote(value)}\n`).join(""),
    },
    { path: "bin" },
    { path: "bin/busybox", content: busybox, executable: true },
    { path: "modules" },
    ...moduleFiles(booted, MODULES).map((file, i) => ({
      path: `modules/${String(i).padStart(2, "0")}-${file.slice(file.lastIndexOf("/") + 1)}`,
      content: Deno.readFileSync(file),
    })),
  ];
  return cpio(files);
}

async function makeDisk(mkfs: string, path: string): Promise<void> {
  Deno.writeTextFileSync(path, "");
  Deno.truncateSync(path, DISK_BYTES);
  const { success, stderr } = await new Deno.Command(mkfs, {
    args: ["-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard", path],
  }).output();
  if (!success) throw new Error(`mkfs.ext4: ${new TextDecoder().decode(stderr)}`);
}

/** Whether the processor helps; without that QEMU translates, some ten times slower. */
export function accelerated(): boolean {
  const has = (module: string) => isThere(`/sys/module/${module}`);
  try {
    Deno.openSync("/dev/kvm", { read: true, write: true }).close();
    return has("kvm_intel") || has("kvm_amd");
  } catch {
    return false;
  }
}

async function boot(
  qemu: string,
  daemon: string,
  booted: Kernel,
  folder: string,
  { milliseconds, print }: Job,
): Promise<Outcome> {
  const socket = `${folder}/files.socket`, report = `${folder}/report`, log = `${folder}/log`;
  Deno.writeTextFileSync(report, "");
  // The program of Debian 12 takes its options as FUSE does, later ones their own.
  const old = daemon.includes("/qemu/");
  const files = new Deno.Command("setpriv", {
    args: [
      ...WITH_US,
      daemon,
      `--socket-path=${socket}`,
      ...old
        ? ["-o", "source=/", "-o", "cache=always", "-o", "sandbox=chroot"]
        : ["--shared-dir=/", "--cache=always", "--sandbox=chroot"],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let machine: Deno.ChildProcess | undefined, late = false;
  const timer = setTimeout(() => {
    late = true;
    machine?.kill("SIGKILL");
  }, milliseconds);
  try {
    for (let tries = 0; !isThere(socket); tries++) {
      if (tries > 500) throw new Error(`${daemon} does not listen`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    machine = new Deno.Command("setpriv", {
      args: [
        ...WITH_US,
        qemu,
        ...[
          "-machine",
          "q35",
          ...accelerated() ? ["-accel", "kvm", "-cpu", "host"] : ["-accel", "tcg,tb-size=512", "-cpu", CPU],
        ],
        ...["-smp", "1", "-m", `${MEMORY_MIB}`, "-nodefaults", "-display", "none", "-no-reboot"],
        ...["-kernel", booted.image, "-initrd", `${folder}/initrd`],
        ...["-append", "console=ttyS0 cgroup_no_v1=all mitigations=off panic=-1"],
        ...["-object", `memory-backend-memfd,id=memory,size=${MEMORY_MIB}M,share=on`, "-numa", "node,memdev=memory"],
        ...["-chardev", `socket,id=files,path=${socket}`, "-device", "vhost-user-fs-pci,chardev=files,tag=host"],
        ...["-drive", `file=${folder}/disk,format=raw,if=virtio,cache=unsafe`],
        ...["-chardev", `file,id=log,path=${log}`, "-serial", "chardev:log", "-device", "virtio-serial-pci"],
        ...["-chardev", "file,id=output,path=/dev/stdout", "-device", "virtserialport,chardev=output,nr=1"],
        ...["-chardev", `file,id=report,path=${report}`, "-device", "virtserialport,chardev=report,nr=2"],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const errors = new Response(machine.stderr).text();
    for await (const text of machine.stdout.pipeThrough(new TextDecoderStream())) print(text);
    const { code, signal } = await machine.status;
    const [, status, xml = ""] = Deno.readTextFileSync(report).match(/^status (\d+)\n([^]*)$/) ?? [];
    return {
      status: status === undefined ? undefined : Number(status),
      report: xml,
      log: [
        ...(isThere(log) ? Deno.readTextFileSync(log) : "").split("\n").slice(-30),
        `QEMU: ${signal ?? `exit status ${code}`} ${await errors}`,
      ].join("\n"),
      late,
    };
  } finally {
    clearTimeout(timer);
    end(files);
    await files.status;
  }
}

/** Ends a process that may have ended by itself. */
function end(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** setpriv(1): they end when we do, however that happens. */
const WITH_US = ["--pdeathsig", "KILL", "--"];

/** What QEMU pretends to be: as little as V8 asks for, since it translates the rest more slowly than V8 does without. */
const CPU = "Nehalem";
