/** Splits batches into runs of a graph. A run cannot be interrupted, so that a long one delays the prompts of other sessions. */

/**
 * Splits items into as few runs as possible, of sizes that differ by one at most. With a `max` of 3 or more, no run has a single
 * item unless there is only one: on a CPU, graphs compute two items and more exactly as in any larger run, but one alone may
 * differ in its last bits.
 * @param max items per run
 */
export function chunksOf<T>(items: readonly T[], max: number): T[][] {
  const count = Math.ceil(items.length / max);
  const edge = (chunk: number) => Math.ceil((chunk * items.length) / count);
  return Array.from({ length: count }, (_, chunk) => items.slice(edge(chunk), edge(chunk + 1)));
}
