/** Reads the results that `deno test --junit-path` writes. */

export interface Results {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The test files that are in the report, as they are named there. */
  readonly files: readonly string[];
  readonly failures: readonly Failure[];
}

export interface Failure {
  readonly file: string;
  readonly name: string;
  /** What the test threw, with its stack trace. */
  readonly text: string;
}

/** The characters that XML writes in another way. */
const unescape = (text: string) =>
  text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");

/** The results in a report. Steps of a test count as tests, as they do in what `deno test` prints. */
export function parseJunit(xml: string): Results {
  let passed = 0, skipped = 0;
  const failures: Failure[] = [];
  // Text is escaped in XML, so none of these marks can stand in a test's name or in what it printed.
  for (const [, head, body = ""] of xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    const attribute = (name: string) => unescape(head!.match(`\\b${name}="([^"]*)"`)?.[1] ?? "");
    const thrown = body.match(/<(?:failure|error)\b[^>]*?(?:\/>|>(.*?)<\/)/s);
    if (thrown) {
      failures.push({ file: attribute("classname"), name: attribute("name"), text: unescape(thrown[1] ?? "") });
    } else if (/<skipped\b/.test(body)) skipped++;
    else passed++;
  }
  const files = [...xml.matchAll(/<testsuite name="([^"]*)"/g)].map((match) => match[1]!);
  return { passed, failed: failures.length, skipped, files, failures };
}

/** `N passed, N failed`, and how many were skipped if any were. */
export function summary(results: Pick<Results, "passed" | "failed" | "skipped">): string {
  const { passed, failed, skipped } = results;
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
