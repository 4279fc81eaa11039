/**
 * Runs before each file of tests: opens libc, which stays open as long as the process lives. A test that happens to be the
 * first to need it would look as if it leaked it.
 */
import { SyscallError } from "../ffi/errors.ts";
import { closeFd } from "../ffi/files.ts";
import { snippets } from "../ffi/kernel.ts";

snippets();
try {
  closeFd(-1);
} catch (error) {
  if (!(error instanceof SyscallError)) throw error; // EBADF, of course
}
