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

/**
 * Calls back on every SIGUSR2, where the system has it (not on Windows). Returns the function that stops listening.
 * SIGHUP, which other servers use for this, is left to its first meaning: the terminal is gone, and so are we.
 */
export function onReloadSignal(listener: () => void): () => void {
  if (process.platform === "win32") return () => {};
  process.on("SIGUSR2", listener);
  return () => void process.off("SIGUSR2", listener);
}
