/** A connection that only counts: each request gets one answer, in time. */
import { WebSocket } from "ws";
import { decodeEnvelope } from "../../protocol/index.js";

// biome-ignore lint/suspicious/noExplicitAny: the tasks read any field of an answer
export type Answer = Record<string, any>;

const ENDS = new Set(["response", "error", "done", "frame_dropped"]);

export interface WireOptions {
  socket: string;
  key?: string;
}

export class SoakWire {
  /** Messages that end a request. */
  answers = 0;
  closeCode: number | undefined;
  onMessage: (message: Answer) => void = () => {};
  private readonly waiting = new Map<string, (answer: Answer) => void>();
  private next = 1;

  private constructor(readonly socket: WebSocket) {
    socket.on("message", (data: Buffer, isBinary) => {
      const message = (isBinary ? decodeEnvelope(data).header : JSON.parse(data.toString())) as Answer;
      if (ENDS.has(message.type)) {
        this.answers += 1;
        this.waiting.get(message.request_id)?.(message);
        this.waiting.delete(message.request_id);
      }
      this.onMessage(message);
    });
    socket.on("error", () => {});
    socket.on("close", (code) => {
      this.closeCode = code;
      for (const resolve of this.waiting.values())
        resolve({ type: "closed", error: { code: `closed ${code}` } });
      this.waiting.clear();
    });
  }

  static open({ socket: url, key }: WireOptions): Promise<SoakWire> {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const socket = new WebSocket(url, ["masklet.v1"], { headers, perMessageDeflate: false });
    return new Promise((resolve, reject) => {
      const wire = new SoakWire(socket);
      socket.once("open", () => resolve(wire));
      socket.once("error", reject);
    });
  }

  /** @throws Error without an answer in time */
  ask(fields: Answer, timeoutMs = 600_000): Promise<Answer> {
    if (this.closeCode !== undefined)
      return Promise.resolve({ type: "closed", error: { code: `closed ${this.closeCode}` } });
    const id = `ask-${this.next++}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Error(`no answer to ${fields.type} within ${timeoutMs / 1000} s`));
      }, timeoutMs);
      this.waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.socket.send(JSON.stringify({ request_id: id, ...fields }));
    });
  }

  async close(): Promise<void> {
    if (this.closeCode !== undefined) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.socket.terminate(), 3000);
      this.socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      this.socket.close();
    });
  }
}

export interface HttpOptions extends WireOptions {
  http: string;
}

/** @throws Error when the server does not answer */
export async function http(
  { http: base, key }: Pick<HttpOptions, "http" | "key">,
  path: string,
  init: RequestInit = {},
): Promise<{ status: number; body: Answer }> {
  const headers = {
    ...(key && { authorization: `Bearer ${key}` }),
    ...(init.headers as Record<string, string>),
  };
  const answer = await fetch(`${base}${path}`, { signal: AbortSignal.timeout(300_000), ...init, headers });
  const text = await answer.text();
  let body: Answer = {};
  try {
    body = JSON.parse(text) as Answer;
  } catch {
    body = { text };
  }
  return { status: answer.status, body };
}

/** An upload that is made again after it expired. */
export interface ReusableUpload {
  id(): Promise<string>;
  /** @param uploadId the one that the server no longer has */
  expired(uploadId: string): void;
  remove(): Promise<void>;
}

export function reusableUpload({ http: base }: { http: string }, key: string, body: Buffer): ReusableUpload {
  let current: Promise<string> | undefined;
  let made = "";
  async function make(): Promise<string> {
    const answer = await http({ http: base, key }, "/v1/uploads", { method: "POST", body });
    if (answer.status !== 201) throw new Error(`an upload got ${answer.status} ${answer.body.error?.code}`);
    made = answer.body.upload_id;
    return made;
  }
  return {
    id() {
      current ??= make();
      return current;
    },
    expired(uploadId) {
      if (uploadId === made) current = undefined;
    },
    async remove() {
      if (current) await http({ http: base, key }, `/v1/uploads/${made}`, { method: "DELETE" });
    },
  };
}
