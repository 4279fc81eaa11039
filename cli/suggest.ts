/** The nearest word to a mistyped one. */

/**
 * The number of letters to insert, remove, replace or swap with their neighbour to turn one word into the other
 * (Damerau-Levenshtein distance, each letter touched once).
 */
export function distance(from: string, to: string): number {
  const a = [...from], b = [...to];
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, beforeLast[j - 2]! + 1);
      }
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** The longest word that is compared: what is longer was not mistyped, and comparing takes quadratic time. */
const LONGEST = 64;

/** The candidate that the word was probably meant to be, or undefined when none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length === 0 || word.length > LONGEST) return undefined;
  let best: string | undefined;
  // A third of the letters may be wrong, of a short word one.
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    // With nothing in common a candidate is another word, not a mistyped one.
    const steps = distance(word.toLowerCase(), candidate.toLowerCase());
    if (steps < bestDistance && steps < candidate.length) {
      best = candidate;
      bestDistance = steps;
    }
  }
  if (best !== undefined || word.length < 3) return best;
  return [...candidates].find((candidate) => candidate.startsWith(word));
}
