/**
 * mini as a library: containers from TypeScript, without a daemon. See docs/embedding.md, and docs/examples/ for programs.
 *
 * @module
 */
export { MiniError } from "./ffi/errors.ts";
export {
  CreatedContainer,
  type CreateOptions,
  type ExecOptions,
  Mini,
  type MiniOptions,
  type PulledImage,
  type PullOptions,
  RunningContainer,
  type RunOptions,
} from "./library/mini.ts";
export type { ContainerOptions } from "./library/options.ts";
export { type ExitStatus, type Output, Process } from "./library/process.ts";
export type { Stdio, StdioOptions } from "./library/streams.ts";
export type { Progress } from "./images/progress.ts";
