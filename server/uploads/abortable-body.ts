/**
 * Yields the chunks of `body`. Throws the signal's reason as soon as it aborts, also while no chunk arrives. The body is
 * not destroyed at the end: destroying a request would destroy its socket before the response is sent.
 */
export async function* untilAborted(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  const isNodeStream = "iterator" in body && typeof body.iterator === "function";
  const chunks: AsyncIterator<Uint8Array> = isNodeStream
    ? (body.iterator as (options: object) => AsyncIterator<Uint8Array>)({ destroyOnReturn: false })
    : body[Symbol.asyncIterator]();
  // One promise per chunk: racing every chunk with one long-lived promise would accumulate callbacks.
  let rejectNext = (_reason: unknown) => {};
  const next = () =>
    new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
      rejectNext = reject;
      if (signal.aborted) reject(signal.reason);
      else chunks.next().then(resolve, reject);
    });
  const abort = () => rejectNext(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    for (;;) {
      const { done, value } = await next();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    void chunks.return?.()?.catch(() => {});
  }
}
