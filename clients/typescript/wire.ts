/** A WebSocket of whatever kind the platform has, reduced to what the client needs. */
import { SUBPROTOCOL } from "../../protocol/version.js";
import { MaskletError } from "./errors.js";

/** Any WebSocket class: the browser's, or that of the `ws` package. */
export type WebSocketClass = new (
  url: string,
  protocols: string,
) => { send(text: string): void; close(): void };

export interface WireListener {
  onText(text: string): void;
  onClose(code: number, reason: string): void;
}

export interface Wire {
  /** To be called at once: what comes before it is dropped. */
  listen(listener: WireListener): void;
  send(text: string): void;
  /** Stops reading, so that the server waits. Does nothing in browsers, whose sockets cannot. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** The part of WebSockets that browsers and `ws` share, and what only `ws` has. */
interface AnyWebSocket {
  onopen: () => void;
  onmessage: (event: { data: unknown }) => void;
  onclose: (event: { code: number; reason: string }) => void;
  onerror: (event: { message?: string }) => void;
  send(text: string): void;
  close(): void;
  pause?(): void;
  resume?(): void;
  ping?(): void;
}

/** A paused socket hears no pings, so that it must show by its own that it is alive. */
const SIGN_OF_LIFE_INTERVAL_MS = 10_000;

/** @throws MaskletError connection_failed. */
export async function openWire(url: string, webSocket?: WebSocketClass): Promise<Wire> {
  const Socket = webSocket ?? (await platformWebSocket());
  const socket = new Socket(url, SUBPROTOCOL) as unknown as AnyWebSocket;
  let signsOfLife: ReturnType<typeof setInterval> | undefined;
  let listener: WireListener | undefined;

  function resume(): void {
    clearInterval(signsOfLife);
    socket.resume?.();
  }

  return new Promise((resolve, reject) => {
    let trouble = "";
    socket.onerror = ({ message = "" }) => {
      trouble = message;
    };
    socket.onclose = ({ code, reason }) => {
      clearInterval(signsOfLife);
      listener?.onClose(code, reason);
      // Has no effect once the socket was open.
      const why = trouble || reason || `code ${code}`;
      const message = `no connection to ${url}: ${why}`;
      reject(new MaskletError({ code: "connection_failed", message, retryable: true }));
    };
    socket.onmessage = ({ data }) => listener?.onText(String(data));
    socket.onopen = () => {
      resolve({
        listen(given) {
          listener = given;
        },
        send: (text) => socket.send(text),
        pause() {
          socket.pause?.();
          signsOfLife = setInterval(() => socket.ping?.(), SIGN_OF_LIFE_INTERVAL_MS);
        },
        resume,
        close() {
          // The other side's farewell has to be read.
          resume();
          socket.close();
        },
      });
    };
  });
}

/** In Node the `ws` package, whose sockets can be paused; elsewhere the global class. */
async function platformWebSocket(): Promise<WebSocketClass> {
  if (globalThis.process?.versions?.node !== undefined) return (await import("ws")).WebSocket;
  return (globalThis as unknown as { WebSocket: WebSocketClass }).WebSocket;
}
