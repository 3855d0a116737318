/**
 * Stands between a tool and the server: passes on requests, messages of WebSockets and answers as they are, and knows which requests
 * have no answer. With RECORD_TO, the requests are written to that folder when the test has ended, for `test/adapters/recorded`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { decodeEnvelope } from "../../../protocol/index.js";

/** A request, or one message of a WebSocket, whose method is `WebSocket`. */
export interface RecordedRequest {
  method: string;
  path: string;
  /** A binary message is its header, with the length of its payload. */
  body?: unknown;
}

export interface Recorder {
  /** In place of the address of the server. */
  url: string;
  requests: RecordedRequest[];
  /** What is wrong with the answers of the adapter so far; undefined when nothing is. @param seconds the longest time without a byte */
  problem(seconds: number): string | undefined;
  close(): Promise<void>;
}

/** Pictures and other long texts in a recording. */
const LONG_TEXT = 2000;

/** @param target the address of the server */
export async function startRecorder(target: string): Promise<Recorder> {
  const requests: RecordedRequest[] = [];
  const waiting = new Map<IncomingMessage, { what: string; sinceMs: number }>();
  const failures: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const what = `${incoming.method} ${incoming.url}`;
    const wait = () => void waiting.set(incoming, { what, sinceMs: Date.now() });
    const end = () => void waiting.delete(incoming);
    const parts: Buffer[] = [];
    incoming.on("data", (part) => parts.push(part));
    incoming.once("end", () => {
      requests.push({
        method: incoming.method ?? "",
        path: incoming.url ?? "",
        ...bodyOf(Buffer.concat(parts)),
      });
      wait();
    });
    outgoing.once("close", end);
    const passed = send(
      new URL(incoming.url ?? "/", target),
      { method: incoming.method, headers: { ...incoming.headers, host: new URL(target).host } },
      (answer) => {
        const { statusCode = 502, statusMessage = "", headers } = answer;
        if (statusCode >= 500)
          failures.push(`The adapter answers ${what} with ${statusCode} ${statusMessage}.`);
        outgoing.writeHead(statusCode, statusMessage, headers);
        answer.on("data", wait);
        answer.pipe(outgoing);
        answer.once("error", () => outgoing.destroy());
      },
    );
    passed.once("error", (error) => {
      if (!outgoing.destroyed) failures.push(`The adapter ends ${what} without an answer: ${error.message}.`);
      outgoing.destroy();
    });
    outgoing.once("close", () => passed.destroy());
    incoming.pipe(passed);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (client, { url: path = "/" }) => {
    passMessages(client, new URL(path, target), (body) => requests.push({ method: "WebSocket", path, body }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    problem(seconds) {
      const [failure] = failures;
      if (failure !== undefined) return failure;
      const limitMs = Date.now() - 1000 * seconds;
      const [oldest] = [...waiting.values()].filter(({ sinceMs }) => sinceMs <= limitMs);
      return oldest && `The adapter has not answered ${oldest.what} for ${seconds} seconds.`;
    },
    close() {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function passMessages(client: WebSocket, url: URL, record: (body: unknown) => void): void {
  const upstream = new WebSocket(url, client.protocol ? [client.protocol] : []);
  const early: [RawData, boolean][] = [];
  client.on("message", (data, binary) => {
    record(binary ? headerOf(data as Buffer) : JSON.parse(String(data), (_, value) => shortened(value)));
    if (upstream.readyState === WebSocket.OPEN) upstream.send(data, { binary });
    else early.push([data, binary]);
  });
  upstream.on("open", () => {
    for (const [data, binary] of early) upstream.send(data, { binary });
  });
  upstream.on("message", (data, binary) => client.send(data, { binary }));
  upstream.on("close", () => client.close());
  client.on("close", () => upstream.close());
  for (const socket of [client, upstream]) socket.on("error", () => socket.terminate());
}

function headerOf(data: Buffer): object {
  const { header, payload } = decodeEnvelope(data);
  return { ...header, payload_bytes: payload.length };
}

function bodyOf(bytes: Buffer): { body?: unknown } {
  if (bytes.length === 0) return {};
  try {
    return { body: JSON.parse(bytes.toString(), (_, value) => shortened(value)) };
  } catch {
    return { body: `${bytes.length} bytes` };
  }
}

const shortened = (value: unknown): unknown =>
  typeof value === "string" && value.length > LONG_TEXT ? `${value.slice(0, 40)}…` : value;

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** Names of fields about people and about when something was. */
const PERSONAL =
  /^(session_token|email|username|created_username|updated_by|completed_by|created_by|reviewers|first_name|last_name|initials|avatar|user|users|phone|login|password|(created|updated|draft_created|was|last_activity)_?(at|in)?)$/;

/** In place of secrets, and of the run lengths of brushes, which are long and which the adapters do not read. */
const REPLACEMENTS: Readonly<Record<string, unknown>> = {
  ...{ access_token: "TOKEN", hostname: "STUDIO", rle: [0] },
};

/** Leaves out what is personal or differs between runs, and the bodies of events, of which the adapters read nothing. */
export function withoutPeople({ method, path, body }: RecordedRequest): RecordedRequest {
  const clean = (_: string, value: unknown): unknown => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const fields = Object.entries(value).filter(([name]) => !PERSONAL.test(name));
    return Object.fromEntries(fields.map(([name, field]) => [name, REPLACEMENTS[name] ?? field]));
  };
  if (body === undefined) return { method, path };
  const kept = path.endsWith("/webhook") ? { action: (body as { action?: string }).action } : body;
  return { method, path, body: JSON.parse(JSON.stringify(kept, clean)) };
}

/** Writes a recording if RECORD_TO names a folder. @param clean leaves out what is personal or differs between runs */
export function saveRecording(
  name: string,
  requests: readonly RecordedRequest[],
  clean: (request: RecordedRequest) => RecordedRequest,
): void {
  const folder = process.env.RECORD_TO;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  const ids = new Map<string, string>();
  const text = JSON.stringify(requests.map(clean), undefined, 2).replace(UUID, (id) => {
    ids.set(id, ids.get(id) ?? `id-${ids.size + 1}`);
    return ids.get(id) as string;
  });
  writeFileSync(join(folder, `${name}.json`), `${text}\n`);
}
