/** A WebSocket that reports when it opens and ends: the client opens lost connections again by itself. */
export interface SocketWatcher {
  onOpen(): void;
  onEnd(code: number): void;
}

export function observedSocket(watcher: SocketWatcher): typeof WebSocket {
  return class ObservedSocket extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener("open", () => watcher.onOpen());
      this.addEventListener("close", ({ code }) => watcher.onEnd(code));
    }
  };
}
