/**
 * One test for each MUST of the OCI runtime specification. It is run on runc first, where that is installed, so that the test
 * itself is tested, and on mini then.
 */
import { assert, assertNotEquals } from "@std/assert";
import { type Context, miniTest, needsProgram, type Output, type RunOptions } from "../harness.ts";
import { makeBundle, miniRuntime, Runtime, scriptSpec, writeSpec } from "../oci_bundle.ts";
import type { Spec } from "../../runtime/spec.ts";

/** Changes a specification before it is written. */
export type Change = (spec: Spec) => void;

/** A runtime with a bundle of its own. */
export class Subject {
  /** The id of the only container that most tests make. */
  readonly id = `conformance-${Deno.pid}`;

  constructor(readonly runtime: Runtime, readonly folder: string, readonly bundle: string) {}

  /** A file of the container's root, on the host. */
  inRoot(path: string): string {
    return `${this.bundle}/rootfs${path}`;
  }

  write(script: string, change?: Change): void {
    writeSpec(this.bundle, scriptSpec(script, change));
  }

  /** Runs a container to its end. */
  run(script: string, change?: Change, options?: RunOptions): Promise<Output> {
    this.write(script, change);
    return this.runtime.run(["run", "--bundle", this.bundle, this.id], options);
  }

  /** What a container prints that ends well. */
  async inside(script: string, change?: Change): Promise<string> {
    const { status, stdout, stderr } = await this.run(script, change);
    assert(status === 0, `status ${status}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Creates a container. */
  async create(script: string, change?: Change): Promise<void> {
    this.write(script, change);
    await this.runtime.do(["create", "--bundle", this.bundle, this.id]);
  }

  start(): Promise<string> {
    return this.runtime.do(["start", this.id]);
  }

  /** A command that must fail and say why. */
  async fails(...args: string[]): Promise<string> {
    const { status, stderr } = await this.runtime.run(args);
    assertNotEquals(status, 0, `${args.join(" ")} did not fail`);
    assertNotEquals(stderr, "", `${args.join(" ")} failed without a word`);
    return stderr;
  }

  /** A container that must not be created: an error is told, and nothing is left. */
  async refuses(change: Change, script = "touch /ran"): Promise<string> {
    this.write(script, change);
    const error = await this.fails("create", "--bundle", this.bundle, this.id);
    await this.fails("state", this.id);
    return error;
  }

  /** The same for text that is no specification. */
  async refusesText(text: string): Promise<void> {
    writeSpec(this.bundle, text);
    await this.fails("create", "--bundle", this.bundle, this.id);
    await this.fails("state", this.id);
  }

  status(): Promise<string> {
    return this.runtime.state(this.id).then((state) => state.status as string);
  }

  /** Lets the container end, and deletes it. */
  async finish(): Promise<void> {
    await this.runtime.until(this.id, "stopped");
    await this.runtime.do(["delete", this.id]);
  }
}

export type Body = (subject: Subject) => Promise<void>;

/** Why a test is not for runc: what it does instead of the MUST, or that it does not know the property. */
export interface Deviation {
  readonly runc?: string;
}

async function withSubject(runtime: Runtime, folder: string, body: Body): Promise<void> {
  const bundle = await makeBundle(`${folder}/bundle`);
  try {
    await body(new Subject(runtime, folder, bundle));
  } finally {
    await runtime.clear();
  }
}

const withRunc = needsProgram("runc") === undefined;

/**
 * @param number of the requirement, as in README.md. @param what it says.
 * @param deviation a reason for which runc fails it.
 */
export function must(number: string, what: string, body: Body, deviation: Deviation = {}): void {
  miniTest(`${number} ${what}`, async (context: Context) => {
    if (withRunc && deviation.runc === undefined) {
      try {
        await withSubject(new Runtime(["runc"], `${context.folder}/runc`), `${context.folder}/peer`, body);
      } catch (error) {
        throw new Error(`runc fails this test, so the test may be wrong: ${error}`, { cause: error });
      }
    }
    await withSubject(miniRuntime(context), context.folder, body);
  });
}
