/**
 * Passes on a sequence while requesting up to `depth` items ahead, so that its source and its consumer overlap. A failure
 * of the source is thrown in its turn, after the items before it.
 *
 * @param open creates the sequence. Its signal is aborted when the consumer leaves the loop, or with `signal`, at once, even
 * if the consumer never requests another item.
 */
export async function* prefetch<T>(
  open: (signal: AbortSignal) => AsyncIterable<T>,
  depth: number,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const left = new AbortController();
  const iterator = open(AbortSignal.any([signal, left.signal]))[Symbol.asyncIterator]();
  const ahead: Promise<IteratorResult<T>>[] = [];
  const ask = () => {
    const next = iterator.next();
    // It is awaited in its turn; until then a rejection has no handler.
    next.catch(() => {});
    ahead.push(next);
  };
  const end = () => {
    left.abort();
    return iterator.return?.().catch(() => {});
  };
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
