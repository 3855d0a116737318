/** The part of a platform's WebSocket that the client uses. */
import { SUBPROTOCOL } from "../../protocol/version.js";
import type { Endpoint } from "./endpoint.js";
import { MaskletError, type ReportedError } from "./errors.js";

/** Any WebSocket class: the browser's, or that of the `ws` package. */
export type WebSocketClass = new (
  url: string,
  protocols: string,
) => { send(data: string | Uint8Array<ArrayBuffer>): void; close(): void };

export interface WireListener {
  onText(text: string): void;
  onBytes(bytes: Uint8Array): void;
  onClose(code: number, reason: string): void;
}

export interface Wire {
  /** To be called at once: messages that arrive before are dropped. */
  listen(listener: WireListener): void;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/** What the WebSockets of browsers and of `ws` have in common. */
interface AnyWebSocket {
  binaryType: "arraybuffer";
  onopen: () => void;
  onmessage: (event: { data: string | ArrayBuffer }) => void;
  onclose: (event: { code: number; reason: string }) => void;
  onerror: (event: { message?: string }) => void;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/**
 * Opens a WebSocket, and sends the key first if there is one.
 * @throws MaskletError connection_failed, or the server's error for the key.
 */
export async function openWire(
  { socket: url, key }: Pick<Endpoint, "socket" | "key">,
  webSocket?: WebSocketClass,
): Promise<Wire> {
  const Socket = webSocket ?? (await platformWebSocket());
  const socket = new Socket(url, SUBPROTOCOL) as unknown as AnyWebSocket;
  socket.binaryType = "arraybuffer";
  let listener: WireListener | undefined;

  return new Promise((resolve, reject) => {
    let failure = "";
    const wire: Wire = {
      listen(given) {
        listener = given;
      },
      send: (data) => socket.send(data),
      close: () => socket.close(),
    };
    socket.onerror = ({ message = "" }) => {
      failure = message;
    };
    socket.onclose = ({ code, reason }) => {
      listener?.onClose(code, reason);
      // Has no effect once the socket was open.
      const message = `no connection to ${url}: ${failure || reason || `code ${code}`}`;
      // The text of `ws` for a handshake that the server refused. Browsers do not report the status.
      const isRefused = /Unexpected server response: 4\d\d/.test(failure);
      reject(new MaskletError({ code: "connection_failed", message, retryable: !isRefused }));
    };
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") listener?.onBytes(new Uint8Array(data));
      else if (listener) listener.onText(data);
      else if (key !== undefined) {
        const error = errorOf(data);
        if (!error) return resolve(wire);
        reject(new MaskletError(error));
        socket.close();
      }
    };
    socket.onopen = () => {
      if (key === undefined) resolve(wire);
      else socket.send(JSON.stringify({ type: "authenticate", request_id: "key", key }));
    };
  });
}

/** The error of the answer to `authenticate`; undefined when the server has accepted the key. */
function errorOf(text: string): ReportedError | undefined {
  try {
    const { type, error } = JSON.parse(text) as { type?: string; error?: ReportedError };
    if (type === "response") return undefined;
    if (error !== undefined) return error;
  } catch {
    // Not a masklet server.
  }
  return { code: "connection_failed", message: "the server sent no answer to the key", retryable: false };
}

/** In Node the `ws` package, because Node 20 has no global class; elsewhere the global class. */
async function platformWebSocket(): Promise<WebSocketClass> {
  if (globalThis.process?.versions?.node !== undefined) return (await import("ws")).WebSocket;
  return (globalThis as unknown as { WebSocket: WebSocketClass }).WebSocket;
}
