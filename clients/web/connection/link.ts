/** The connection of the page to its server. */
import { type ReadonlySignal, signal } from "@preact/signals";
import { connect, type EventMessage, type MaskletClient, MaskletError } from "../../typescript/index.js";
import { serverUrl } from "./http.js";
import { keepKey, keyOfPage } from "./key.js";
import { observedSocket } from "./observed-socket.js";
import { serverFacts } from "./server-facts.js";

export type LinkStatus =
  | { kind: "connecting" }
  | { kind: "open" }
  /** The page tries again by itself. `sinceMs` is a time of `Date.now`. */
  | { kind: "lost"; sinceMs: number }
  /** The server requires a key. `message`: why it refused the last one. */
  | { kind: "refused"; message?: string };

const status = signal<LinkStatus>({ kind: "connecting" });
const client = signal<MaskletClient | undefined>(undefined);

export const linkStatus: ReadonlySignal<LinkStatus> = status;
/** Undefined before the first connection, and while the server is away so long that a new client is needed. */
export const linkClient: ReadonlySignal<MaskletClient | undefined> = client;

const listeners = new Set<(event: EventMessage) => void>();

/** Events of the server, of all clients of the page in turn. Returns the function that removes the listener. */
export function onServerEvent(listener: (event: EventMessage) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

const RETRY_MS = 1500;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function markLost(): void {
  if (status.peek().kind !== "lost") status.value = { kind: "lost", sinceMs: Date.now() };
}

const Socket = observedSocket({
  onOpen() {
    if (client.peek()) status.value = { kind: "open" };
  },
  onEnd() {
    if (status.peek().kind === "open") markLost();
  },
});

/** Connects, and connects again until the page ends. Call it once. */
export async function startLink(): Promise<void> {
  for (;;) {
    const opened = await openOnce();
    if (opened) {
      const { code } = await opened.closed;
      client.value = undefined;
      if (code !== 4401) markLost();
      else status.value = { kind: "refused", message: "The server no longer accepts the key." };
    }
    if (status.peek().kind === "refused") await nextKey();
    else await pause(RETRY_MS);
  }
}

async function openOnce(): Promise<MaskletClient | undefined> {
  const key = keyOfPage.peek();
  try {
    const opened = await connect(serverUrl("v1"), {
      webSocket: Socket,
      reconnect: { maxAttempts: 1000, maxDelayMs: 5000 },
      ...(key !== undefined && { key }),
    });
    opened.onEvent((event) => {
      for (const listener of listeners) listener(event);
    });
    try {
      serverFacts.value = await opened.request({ type: "get_server" });
    } catch (error) {
      await opened.detach();
      throw error;
    }
    client.value = opened;
    status.value = { kind: "open" };
    return opened;
  } catch (error) {
    if (error instanceof MaskletError && error.code === "unauthenticated") {
      status.value = {
        kind: "refused",
        ...(key !== undefined && { message: "The server rejected this key." }),
      };
    } else markLost();
    return undefined;
  }
}

let onKey = () => {};

function nextKey(): Promise<void> {
  return new Promise((resolve) => {
    onKey = resolve;
  });
}

/** Connects with another key. */
export function useKey(key: string): void {
  keepKey(key);
  status.value = { kind: "connecting" };
  onKey();
}
