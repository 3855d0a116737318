const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Calls back on the first SIGINT or SIGTERM. A second one ends the process at once. Returns the function that removes the
 * listener.
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
 * Calls back on every SIGUSR2, except on Windows, which has no such signal. Returns the function that removes the listener.
 */
export function onReloadSignal(listener: () => void): () => void {
  return onSignal("SIGUSR2", listener);
}

/**
 * Calls back on every SIGHUP, except on Windows. Returns the function that removes the listener. Without a listener the process
 * ends with its terminal.
 */
export function onHangUp(listener: () => void): () => void {
  return onSignal("SIGHUP", listener);
}

function onSignal(name: NodeJS.Signals, listener: () => void): () => void {
  if (process.platform === "win32") return () => {};
  process.on(name, listener);
  return () => void process.off(name, listener);
}
