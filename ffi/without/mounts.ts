/**
 * What a program does in the place of open_tree(2), move_mount(2), fsopen(2), fsconfig(2), fsmount(2), fspick(2) and
 * mount_setattr(2), by mount(2).
 *
 * A mount that is attached nowhere becomes one in a file system in memory, which is in the program's own mount namespace alone:
 * mounted over /, where no path leads to it but `/..` and a descriptor. From there it is moved to its place. Where a place is a
 * descriptor, it is put under a fixed number first, so that its path below /proc is known beforehand.
 */
import {
  AT_FDCWD,
  AT_RECURSIVE,
  AT_REMOVEDIR,
  CLONE_NEWNS,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_CMD_RECONFIGURE,
  FSCONFIG_SET_FLAG,
  MNT_DETACH,
  MOUNT_ATTR_IDMAP,
  MS_MOVE,
  MS_REC,
  MS_SLAVE,
  MS_UNBINDABLE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  OPEN_TREE_CLONE,
  S_IFREG,
} from "../constants.ts";
import { Errno, MiniError } from "../errors.ts";
import { type Argument, type Details, op, type Operation, type Program, result } from "../program.ts";
import type { SyscallName } from "../syscall_numbers.ts";
import { ask, askEach } from "./ask.ts";
import { FILE_SYSTEM_FLAGS, flagsOf, MS_BIND } from "./mount_flags.ts";

/** Numbers of descriptors that the program may use as it likes, and its end of the pair to ask through. */
export interface Numbers {
  readonly ask: number;
  /** For the place of the next mount. */
  readonly place: number;
  /** For the folder that mounts wait in, and for the one before it. */
  readonly slots: number;
  readonly earlier: number;
}

interface Context {
  readonly type: string;
  /** What is mounted, of one whose options are changed. */
  readonly picked?: Argument;
  source: string;
  flags: number;
  readonly data: string[];
}

const wordsOf = (argument: Argument | undefined) => (argument as { words: readonly Argument[] }).words;
const nameOf = (argument: Argument | undefined) => (argument as { result: string }).result;

/** Goes through a program once, in its order. */
export class Mounts {
  /** Mounts that wait, by the operation that made them, and the number of each one's place. */
  readonly #slots = new Map<string, number>();
  readonly #contexts = new Map<string, Context>();
  #count = 0;
  /** Whether there is a folder for mounts in the mount namespace where the program is. */
  #folder: "none" | "ours" | "before a clone" = "none";
  #namespace: "the caller's" | "ours" | "joined";
  /** Whether what is mounted over / last is that folder. */
  #onTop = true;
  readonly #numbers: Numbers;
  readonly #program: Program;

  /** @param isNew whether the program begins in a mount namespace of its own. */
  constructor(numbers: Numbers, program: Program, isNew: boolean) {
    this.#numbers = numbers;
    this.#program = program;
    this.#namespace = isNew ? "ours" : "the caller's";
  }

  /**
   * What is done instead of an operation.
   *
   * @param details what its result is to be known by, and what is to become of a failure. @param next the operation behind it.
   */
  lower(o: Operation, details: Details & { readonly name: string }, next: Operation | undefined): Operation[] {
    const more: Details = { ...o.on === undefined ? {} : { on: o.on }, insteadOf: o.call as SyscallName };
    switch (o.call) {
      case "open_tree":
        return this.#copy(o, details, more, next);
      case "fsopen":
      case "fspick":
        this.#contexts.set(details.name, {
          type: o.call === "fsopen" ? String(o.args[0]) : "",
          ...o.call === "fspick" ? { picked: o.args[0]! } : {},
          source: "none",
          flags: 0,
          data: [],
        });
        return [];
      case "fsconfig":
        return this.#configure(o, more);
      case "fsmount":
        return this.#make(o, details.name, more);
      case "mount_setattr":
        return this.#change(o, more);
      case "move_mount":
        return this.#attach(o, details, more);
      default:
        return [o];
    }
  }

  /** Takes notice of an operation that changes the mount namespace. */
  follow(o: Operation): Operation[] {
    // struct clone_args begins with its flags.
    const flags = o.call === "clone3" ? wordsOf(o.args[0])[0] : o.call === "setns" ? o.args[1] : o.args[0];
    if (!(BigInt(flags as number | bigint) & CLONE_NEWNS)) return [o];
    if (o.call === "clone3") {
      if (this.#folder === "ours") this.#folder = "before a clone";
      this.#namespace = "ours";
    } else if (o.call === "setns") {
      this.#folder = "none";
      this.#slots.clear();
      this.#namespace = "joined";
    } else {
      // It has one of its own already, made for the first mount.
      if (this.#namespace === "ours") return [];
      this.#namespace = "ours";
    }
    return [o];
  }

  /** Takes the folder away, for whoever looks at the mount namespace from here on. */
  end(): Operation[] {
    if (this.#folder !== "ours" || !this.#onTop) return [];
    this.#folder = "none";
    return [op("umount2", [this.#path("slots"), MNT_DETACH], "no mount waits any more")];
  }

  #path(number: "place" | "slots" | "earlier", slot?: number): string {
    return `/proc/self/fd/${this.#numbers[number]}${slot === undefined ? "" : `/${slot}`}`;
  }

  /** Has the path of the place be that of a descriptor. */
  #at(place: Argument): Operation {
    return op("dup3", [place, this.#numbers.place, O_CLOEXEC], "under a number that its path is known by");
  }

  /** Opens what is mounted over / last, under a number. */
  #onRoot(number: "slots" | "earlier"): Operation[] {
    const name = `${number} ${this.#count++}`;
    return [
      op("openat", [AT_FDCWD, "/..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0], "what is mounted over /", { name }),
      op("dup3", [result(name), this.#numbers[number], O_CLOEXEC], "under a number that its path is known by"),
      op("close", [result(name)], "there it is"),
    ];
  }

  /** The folder that mounts wait in, if there is none yet. */
  #ready(): Operation[] {
    if (this.#folder === "ours") return [];
    if (this.#namespace === "joined" && !this.#program.some(({ call }) => call === "pivot_root" || call === "chroot")) {
      throw new MiniError(
        "what is mounted in a container can be used elsewhere by open_tree (Linux 5.2), which is missing here",
      );
    }
    const isFirst = this.#folder === "none", wait = "where mounts wait to be attached";
    const operations = [
      ...(this.#namespace === "the caller's"
        ? [op("unshare", [Number(CLONE_NEWNS)], "a mount namespace to mount in")]
        : []),
      ...(isFirst
        ? [op("mount", ["none", "/", 0, MS_REC | MS_SLAVE, 0], "no mount made here reaches the host", { on: "/" })]
        : this.#onRoot("earlier")),
      op("mount", ["mini", "/", "tmpfs", 0, "mode=755"], wait, { on: "/" }),
      op("mount", ["none", "/..", 0, MS_UNBINDABLE, 0], "no copy of / has it", { on: "/.." }),
      ...this.#onRoot("slots"),
    ];
    if (this.#namespace === "the caller's") this.#namespace = "ours";
    this.#folder = "ours";
    this.#onTop = true;
    if (isFirst) return operations;
    // What a user namespace has inherited cannot be moved: copies of it can, and the old numbers stand for these.
    for (const [name, slot] of this.#slots) {
      const copy = `${name} here`;
      operations.push(
        ...this.#bind(this.#path("earlier", slot), MS_REC, slot, `${name}, as we have it here`, {}),
        op("openat", [AT_FDCWD, this.#path("slots", slot), O_PATH | O_CLOEXEC, 0], "where it waits now", {
          name: copy,
        }),
        op("dup3", [result(copy), result(name), O_CLOEXEC], "in the place of the old one"),
      );
    }
    return operations;
  }

  /** Mounts a folder or file on a new place of the same kind. */
  #bind(source: Argument, recursive: number, slot: number, why: string, more: Details): Operation[] {
    const path = this.#path("slots", slot), { slots } = this.#numbers, label = `slot ${this.#count++}`;
    const mount = op("mount", [source, path, 0, MS_BIND | recursive, 0], why, more);
    return [
      op("mkdirat", [slots, `${slot}`, 0o700], "a place for it"),
      { ...mount, jump: { when: "=", than: -Errno.ENOTDIR!, to: `${label} file` } },
      op("add", [0, 0], "it is a folder", { jump: { when: "always", to: label } }),
      op("unlinkat", [slots, `${slot}`, AT_REMOVEDIR], "it is a file", { name: `${label} file` }),
      op("mknodat", [slots, `${slot}`, S_IFREG | 0o600, 0], "a place for it"),
      mount,
      op("add", [0, 0], "it is there", { name: label }),
    ];
  }

  #open(name: string, slot: number, more: Details): Operation {
    this.#slots.set(name, slot);
    return op("openat", [AT_FDCWD, this.#path("slots", slot), O_PATH | O_CLOEXEC, 0], "where it waits", {
      ...more,
      name,
    });
  }

  /** open_tree */
  #copy(
    o: Operation,
    details: Details & { readonly name: string },
    more: Details,
    next: Operation | undefined,
  ): Operation[] {
    const [from, path, flags] = o.args as [Argument, string, number];
    if (!(flags & OPEN_TREE_CLONE) || details.optional || details.jump) throw new Error("without open_tree: not known");
    const recursive = flags & AT_RECURSIVE ? MS_REC : 0, ready = this.#ready();
    if (path !== "" && next?.call === "move_mount" && nameOf(next.args[0]) === o.name && !this.#isUsed(o, next)) {
      // Attached at once: it need not wait.
      this.#direct = { source: path, recursive };
      return ready;
    }
    const slot = this.#count++;
    return [
      ...ready,
      ...(path === "" ? [this.#at(from)] : []),
      ...this.#bind(path === "" ? this.#path("place") : path, recursive, slot, o.why, more),
      this.#open(details.name, slot, more),
    ];
  }

  /** The source of a mount that the next operation attaches. */
  #direct: { readonly source: string; readonly recursive: number } | undefined;

  /** Whether an operation is known to others but this one. */
  #isUsed(o: Operation, by: Operation): boolean {
    const isIt = (argument: Argument | undefined) =>
      typeof argument === "object" && "result" in argument && argument.result === o.name;
    return this.#program.some((other) => other !== by && (other.jump?.to === o.name || other.args.some(isIt)));
  }

  /** fsconfig */
  #configure(o: Operation, more: Details): Operation[] {
    const [name, command, key, value] = o.args, context = this.#contexts.get(nameOf(name))!;
    if (command === FSCONFIG_CMD_CREATE) return [];
    if (command === FSCONFIG_CMD_RECONFIGURE) return this.#reconfigure(context, nameOf(name), more);
    const option = String(key);
    if (command === FSCONFIG_SET_FLAG) {
      if (Object.hasOwn(FILE_SYSTEM_FLAGS, option)) context.flags |= FILE_SYSTEM_FLAGS[option]!;
      else context.data.push(option);
    } else if (option === "source") context.source = String(value);
    else {
      const text = String(value);
      // The label of SELinux may be quoted.
      if (text.includes(",") && option !== "context") {
        throw new MiniError(`the option ${option}=${text} of a mount has a comma, which takes fsconfig (Linux 5.2)`);
      }
      context.data.push(text.includes(",") ? `${option}="${text}"` : `${option}=${text}`);
    }
    return [];
  }

  /** fsmount */
  #make(o: Operation, name: string, more: Details): Operation[] {
    const [context, , attributes] = o.args as [Argument, number, number], slot = this.#count++;
    const { type, source, flags, data } = this.#contexts.get(nameOf(context))!;
    const options = data.join(","), why = options === "" ? o.why : `${o.why} with ${options}`;
    return [
      ...this.#ready(),
      op("mkdirat", [this.#numbers.slots, `${slot}`, 0o700], "a place for it"),
      op(
        "mount",
        [source, this.#path("slots", slot), type, flags | flagsOf(attributes), options || 0],
        why,
        more,
      ),
      this.#open(name, slot, more),
    ];
  }

  /** The options of a file system that is mounted: mount(2) takes the attributes of the mount along with them. */
  #reconfigure({ picked, data, flags }: Context, name: string, more: Details): Operation[] {
    if (flags) {
      throw new MiniError("a file system's own flags are changed by fsconfig (Linux 5.2), which is missing here");
    }
    const asked = ask(
      this.#numbers.ask,
      { filesystem: nameOf(picked) },
      `${name} as it is`,
      "how it is mounted",
      more,
    );
    return [
      ...asked.operations,
      this.#at(result(`${name} as it is`)),
      op("close", [result(`${name} as it is`)], "it has the other number"),
      op("mount", ["none", this.#path("place"), 0, asked.flags, data.join(",")], `its options ${data.join(",")}`, more),
    ];
  }

  /** mount_setattr */
  #change(o: Operation, more: Details): Operation[] {
    const [mount, , at, attributes] = o.args as [Argument, string, number, Argument];
    const [set = 0, clear = 0, propagation = 0] = wordsOf(attributes) as number[], name = nameOf(mount);
    if (set & MOUNT_ATTR_IDMAP) {
      throw new MiniError(
        `the files of ${
          o.on ?? "a mount"
        } cannot have the ids of a user namespace: that takes mount_setattr (Linux 5.12), which is missing here`,
      );
    }
    const below = (at & AT_RECURSIVE) !== 0, label = `attributes ${this.#count++}`;
    const asked = askEach(
      this.#numbers.ask,
      { mount: name, set, clear, below },
      `${label} mount`,
      "what is to be changed",
      `${label} done`,
      more,
    );
    return [
      ...(set || clear
        ? [
          op("add", [0, 0], below ? "the mount, and those below it" : "the mount", { name: label }),
          ...asked.operations,
          this.#at(result(`${label} mount`)),
          op("close", [result(`${label} mount`)], "it has the other number"),
          op("mount", ["none", this.#path("place"), 0, asked.flags, 0], o.why, more),
          op("add", [asked.more, 0], "are there others?", { jump: { when: "!=", to: label } }),
          op("add", [0, 0], "that is all", { name: `${label} done` }),
        ]
        : []),
      ...(propagation
        ? [
          this.#at(mount),
          op("mount", ["none", this.#path("place"), 0, propagation | (below ? MS_REC : 0), 0], o.why, more),
        ]
        : []),
    ];
  }

  /** move_mount */
  #attach(o: Operation, details: Details, more: Details): Operation[] {
    const [mount, , to, path] = o.args as [Argument, string, Argument, string];
    const ready = this.#ready(), direct = this.#direct, name = nameOf(mount), slot = this.#slots.get(name);
    this.#direct = undefined;
    this.#slots.delete(name);
    if (!direct && slot === undefined) throw new Error(`without move_mount: no mount ${name} waits`);
    const [source, flags] = direct ? [direct.source, MS_BIND | direct.recursive] : [this.#path("slots", slot), MS_MOVE];
    if (to === AT_FDCWD && path === "/") this.#onTop = false;
    const place = to === AT_FDCWD ? path : this.#path("place");
    const { name: _, ...rest } = details;
    return [
      ...ready,
      ...(to === AT_FDCWD ? [] : [this.#at(to)]),
      op("mount", [source, place, 0, flags, 0], o.why, { ...more, ...rest }),
    ];
  }
}
