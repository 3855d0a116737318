/**
 * Rejects with the signal's reason when it is aborted first, whether or not `work` ends later.
 * @param abandon called then, before the rejection
 */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal, abandon = () => {}): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      abandon();
      reject(signal.reason);
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
