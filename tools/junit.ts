/** Reads the results that `deno test --junit-path` writes. */

export interface Results {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The test files that are in the report, as they are named there. */
  readonly files: readonly string[];
}

/** The results in a report. Steps of a test count as tests, as they do in what `deno test` prints. */
export function parseJunit(xml: string): Results {
  let passed = 0, failed = 0, skipped = 0;
  // Text is escaped in XML, so none of these marks can stand in a test's name or in what it printed.
  for (const [, body] of xml.matchAll(/<testcase\b[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs)) {
    if (/<(failure|error)\b/.test(body ?? "")) failed++;
    else if (/<skipped\b/.test(body ?? "")) skipped++;
    else passed++;
  }
  return { passed, failed, skipped, files: [...xml.matchAll(/<testsuite name="([^"]*)"/g)].map((match) => match[1]!) };
}

/** `N passed, N failed`, and how many were skipped if any were. */
export function summary(results: Omit<Results, "files">): string {
  const { passed, failed, skipped } = results;
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
