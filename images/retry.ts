/** Trying again what failed for a passing reason: exponential backoff with jitter. */

/** How often, and how long between. */
export interface RetryPolicy {
  /** Attempts in a row without progress, the first one included. */
  readonly attempts: number;
  /** The pause after the first failure, in milliseconds; it doubles each time. */
  readonly firstDelayMs: number;
  /** No pause is longer, in milliseconds. */
  readonly longestDelayMs: number;
}

/** About 8 seconds of waiting in all before giving up. */
export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, firstDelayMs: 500, longestDelayMs: 20_000 };

/** What a failed attempt was told to wait at most, in milliseconds, whatever `Retry-After` says. */
const LONGEST_RETRY_AFTER_MS = 60_000;

/** How an error says that another attempt may succeed. */
export interface Transient {
  readonly transient: boolean;
  /** What the server asked to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** Whether an error is worth another attempt. */
export function isTransient(error: unknown): error is Error & Transient {
  return error instanceof Error && (error as Partial<Transient>).transient === true;
}

/** The pause before attempt `failures + 1`, in milliseconds: between half of the doubled delay and all of it. */
export function backoffMs(policy: RetryPolicy, failures: number, random: number = Math.random()): number {
  const full = Math.min(policy.longestDelayMs, policy.firstDelayMs * 2 ** (failures - 1));
  return Math.round(full * (0.5 + random / 2));
}

/**
 * Does the work, again after each transient error, until it succeeds or the policy is used up.
 *
 * @param work receives the number of the attempt, from 1; what it throws last is thrown.
 * @param options.progress a figure that grows as the work gets on (bytes on disk): when it grew by `progressStep` since the
 *   last failure, the count of attempts begins anew.
 */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: {
  policy?: RetryPolicy | undefined;
  signal?: AbortSignal | undefined;
  progress?: () => number;
  progressStep?: number;
  onRetry?: (error: Error, delayMs: number) => void;
} = {}): Promise<T> {
  const policy = options.policy ?? DEFAULT_RETRY;
  let failures = 0;
  let reached = options.progress?.() ?? 0;
  for (let attempt = 1;; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isTransient(error)) throw error;
      const now = options.progress?.() ?? 0;
      if (now - reached >= (options.progressStep ?? 1 << 20)) {
        failures = 0;
        reached = now;
      }
      if (++failures >= policy.attempts) throw error;
      const delay = Math.max(
        backoffMs(policy, failures),
        Math.min(error.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS),
      );
      options.onRetry?.(error, delay);
      await pause(delay, options.signal);
    }
  }
}

/** Waits, or throws the signal's reason as soon as it is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** The milliseconds that a `Retry-After` header asks for (RFC 9110, section 10.2.3): seconds, or a date. */
export function parseRetryAfter(header: string | null, now: number = Date.now()): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
