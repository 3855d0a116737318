/**
 * Passes a sequence on while asking for up to `depth` items ahead, so that decoding and inference overlap. Leaving the
 * loop ends the source; so does the signal, at once, even when the consumer never comes back for the next item.
 */
export async function* prefetch<T>(
  source: AsyncIterable<T>,
  depth: number,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const ahead: Promise<IteratorResult<T>>[] = [];
  const ask = () => {
    const next = iterator.next();
    // A failure is met when its turn comes; until then nobody listens.
    next.catch(() => {});
    ahead.push(next);
  };
  const end = () => iterator.return?.().catch(() => {});
  signal.addEventListener("abort", end, { once: true });
  try {
    for (let asked = 0; asked < depth; asked++) ask();
    while (!signal.aborted) {
      ask();
      const result = await (ahead.shift() as Promise<IteratorResult<T>>);
      if (result.done) return;
      yield result.value;
    }
  } finally {
    signal.removeEventListener("abort", end);
    await end();
  }
}
