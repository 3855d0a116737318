const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Calls back on the first SIGINT or SIGTERM: time to stop in good order. A second one ends the process at once. Returns
 * the function that stops listening.
 */
export function onStopSignal(listener: () => void): () => void {
  let stopping = false;
  const handle = (name: NodeJS.Signals) => {
    if (stopping) process.exit(SIGNALS[name as keyof typeof SIGNALS]);
    stopping = true;
    listener();
  };
  for (const name of Object.keys(SIGNALS)) process.on(name, handle);
  return () => {
    for (const name of Object.keys(SIGNALS)) process.off(name, handle);
  };
}
