/**
 * One connection to the server under test. It sends messages as they are, also invalid ones, and keeps everything that
 * arrives. It reports what contradicts the protocol in any message: its fields, a second answer, a wrong `seq`.
 */
import { WebSocket } from "ws";
import {
  ANSWER_SCHEMAS,
  decodeBinaryMessage,
  decodeEnvelope,
  type ServerMessage,
  serverMessageSchema,
} from "../../protocol/index.js";
import { BrokenRule, expectThat } from "./verdicts.js";

export type Fields = Record<string, unknown>;
/** A message as it arrived, with `isBinary` for one with packed masks. */
// biome-ignore lint/suspicious/noExplicitAny: checks read any field, and the schemas are verified on arrival
export type Message = Record<string, any>;

export interface Stream {
  frames: Message[];
  /** The `done` or `error` message. */
  end: Message;
}

export interface ProbeOptions {
  url: string;
  headers: Record<string, string>;
  protocols?: string[];
  /** Receives each fault: the rule that it breaks, and a sentence. */
  onFault(rule: string, fault: string): void;
  timeoutMs: number;
}

const ANSWERS = new Set(["response", "error", "done", "frame_dropped"]);
let probes = 0;

export class Probe {
  readonly received: Message[] = [];
  /** The close code once the socket is closed. */
  readonly closed: Promise<number>;
  private readonly prefix = `${Math.random().toString(36).slice(2, 8)}-${++probes}-`;
  private readonly types = new Map<string, string>();
  private readonly ended = new Map<string, number>();
  private readonly lastSeq = new Map<string, number>();
  private readonly wakers = new Set<() => void>();
  private readonly repeated = new Set<string>();
  private closeCode: number | undefined;
  private next = 1;

  private constructor(
    readonly socket: WebSocket,
    private readonly options: ProbeOptions,
  ) {
    socket.on("message", (data: Buffer, isBinary) => this.receive(data, isBinary));
    // A connection that ends is an event of the check that uses it.
    socket.on("error", () => {});
    this.closed = new Promise((resolve) =>
      socket.on("close", (code) => {
        this.closeCode = code;
        resolve(code);
        this.wake();
      }),
    );
  }

  /** @throws Error when the handshake fails; its `status` is that of the answer. */
  static async open(options: ProbeOptions): Promise<Probe> {
    const socket = new WebSocket(options.url, options.protocols ?? ["masklet.v1"], {
      headers: options.headers,
      perMessageDeflate: false,
    });
    const probe = new Probe(socket, options);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("unexpected-response", (_request, response) => {
        let body = "";
        response.on("data", (part) => {
          body += part;
        });
        response.on("end", () =>
          reject(
            Object.assign(new Error(`the handshake got the status ${response.statusCode}`), {
              status: response.statusCode,
              body,
            }),
          ),
        );
      });
      socket.once("error", reject);
      setTimeout(() => reject(new Error("the handshake got no answer")), options.timeoutMs).unref();
    });
    return probe;
  }

  /** Sends a request with a new id, which is returned. */
  send(fields: Fields): string {
    const id = String(fields.request_id ?? `${this.prefix}${this.next++}`);
    if (typeof fields.type === "string") this.types.set(id, fields.type);
    this.socket.send(JSON.stringify({ request_id: id, ...fields }));
    return id;
  }

  sendRaw(data: string | Uint8Array): void {
    this.socket.send(data, { binary: typeof data !== "string" });
  }

  /** The answer to a request: `response`, `error`, or the end of a stream. */
  async ask(fields: Fields): Promise<Message> {
    return this.answerTo(this.send(fields));
  }

  async answerTo(id: string, ms?: number): Promise<Message> {
    return this.first(
      (one) => one.request_id === id && ANSWERS.has(one.type),
      `an answer to ${this.types.get(id) ?? id}`,
      ms,
    );
  }

  /** The `response` to a request. @throws BrokenRule when the request fails */
  async ok(fields: Fields): Promise<Message> {
    const answer = await this.ask(fields);
    if (answer.type === "error")
      throw new BrokenRule(`${fields.type} failed: ${answer.error?.code}: ${answer.error?.message}`);
    return answer;
  }

  /** The error of a request that must fail with one of these codes. */
  async fails(fields: Fields, code: string | readonly string[], field?: string): Promise<Message> {
    const answer = await this.ask(fields);
    const codes = typeof code === "string" ? [code] : code;
    const seen = answer.type === "error" ? answer.error?.code : answer.type;
    expectThat(codes.includes(seen), `${describe(fields)}: expected ${codes.join(" or ")}, got ${seen}`);
    if (field !== undefined)
      expectThat(
        String(answer.error.field ?? "").startsWith(field),
        `${describe(fields)}: expected an error about ${field}, got ${answer.error.field}`,
      );
    return answer;
  }

  async stream(fields: Fields): Promise<Stream> {
    return this.streamOf(this.send(fields));
  }

  async streamOf(id: string): Promise<Stream> {
    const end = await this.answerTo(id);
    return { frames: this.framesOf(id), end };
  }

  framesOf(id: string): Message[] {
    return this.received.filter((one) => one.type === "frame" && one.request_id === id);
  }

  /** The first message that matches, among those received and those to come. */
  async first(matches: (message: Message) => boolean, what = "a message", ms = this.options.timeoutMs) {
    return this.until(() => this.received.find(matches), what, ms);
  }

  /** @throws BrokenRule when `find` returns nothing within the time, or the socket closes before */
  async until<T>(find: () => T | undefined, what: string, ms = this.options.timeoutMs): Promise<T> {
    const deadline = Date.now() + ms;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.closeCode !== undefined)
        throw new BrokenRule(`expected ${what}, but the socket closed with ${this.closeCode}`);
      const left = deadline - Date.now();
      if (left <= 0) throw new BrokenRule(`expected ${what} within ${ms} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, Math.min(left, 250));
        const { wakers } = this;
        function done() {
          clearTimeout(timer);
          wakers.delete(done);
          resolve();
        }
        wakers.add(done);
      });
    }
  }

  /** Resolves when the server has handled every earlier message that needs no session. */
  async settled(): Promise<void> {
    await this.ok({ type: "get_server" });
  }

  /** Milliseconds until the pong of a ping. */
  async ping(): Promise<number> {
    const start = performance.now();
    const payload = String(start);
    let done = false;
    this.socket.on("pong", (data: Buffer) => {
      if (data.toString() === payload) done = true;
      this.wake();
    });
    this.socket.ping(payload);
    await this.until(() => done || undefined, "a pong");
    return performance.now() - start;
  }

  /** Ends the connection as a killed process does. */
  drop(): void {
    this.socket.terminate();
  }

  async close(): Promise<void> {
    if (this.closeCode !== undefined) return;
    this.socket.close();
    const timer = setTimeout(() => this.socket.terminate(), 2000);
    await this.closed;
    clearTimeout(timer);
  }

  private wake(): void {
    for (const go of [...this.wakers]) go();
  }

  private receive(data: Buffer, isBinary: boolean): void {
    try {
      const raw = isBinary ? decodeEnvelope(data).header : JSON.parse(data.toString());
      const message = (isBinary ? { ...decodeBinaryMessage(data), isBinary } : raw) as Message;
      this.checkFields(raw as ServerMessage);
      this.checkOrder(message);
      this.received.push(message);
    } catch (error) {
      this.options.onFault(isBinary ? "B-1" : "C-4", `a message cannot be read: ${(error as Error).message}`);
    }
    this.wake();
  }

  /** Compares the fields with the schema. Unknown fields are permitted: servers of later versions send them. */
  private checkFields(message: ServerMessage): void {
    const rule =
      { frame: "T-11", done: "T-12", error: "X-1", event: "C-11" }[message.type as string] ?? "C-12";
    const parsed = serverMessageSchema.safeParse(message);
    if (!parsed.success && message.type !== "response") {
      const problem = missingPart(message, parsed.error.issues);
      if (problem) this.options.onFault(rule, `${message.type}: ${problem}`);
    }
    const type = "request_id" in message ? this.types.get(message.request_id ?? "") : undefined;
    if (message.type !== "response" || !type || !Object.hasOwn(ANSWER_SCHEMAS, type)) return;
    const answer = ANSWER_SCHEMAS[type as keyof typeof ANSWER_SCHEMAS].safeParse(message);
    const problem = answer.success ? undefined : missingPart(message, answer.error.issues);
    if (problem) this.options.onFault(rule, `the answer to ${type}: ${problem}`);
  }

  private checkOrder({ type, request_id: id, session_id, seq }: Message): void {
    if (typeof id === "string" && ANSWERS.has(type) && !this.repeated.has(id)) {
      const count = (this.ended.get(id) ?? 0) + 1;
      this.ended.set(id, count);
      if (count > 1)
        this.options.onFault("C-12", `${this.types.get(id) ?? "a request"} was answered ${count} times`);
    }
    if (type === "frame" && this.ended.has(id))
      this.options.onFault("C-13", "a frame arrived after the end of its stream");
    if (typeof seq !== "number" || typeof session_id !== "string") return;
    const last = this.lastSeq.get(session_id);
    this.lastSeq.set(session_id, seq);
    if (last !== undefined && seq !== last + 1)
      this.options.onFault("C-10", `seq ${seq} of a session follows ${last}`);
  }

  /** The check uses this id twice on purpose. */
  expectRepeated(id: string): void {
    this.repeated.add(id);
  }

  /** After an attachment the numbers of a session start anew. */
  forgetOrder(sessionId: string): void {
    this.lastSeq.delete(sessionId);
  }
}

function describe({ type, ...fields }: Fields): string {
  return `${type} ${JSON.stringify(fields)}`.slice(0, 160);
}

interface Issue {
  code?: string | undefined;
  message: string;
  path: PropertyKey[];
  errors?: Issue[][];
}

/** The first issue that is not an unknown field. In a union, that of the alternative with the fewest issues. */
function missingPart(message: object, issues: readonly Issue[]): string | undefined {
  for (const issue of issues) {
    if (issue.code === "unrecognized_keys") continue;
    if (issue.code === "invalid_union" && issue.errors) {
      const branches = issue.errors.map((errors) =>
        errors.filter(({ code }) => code !== "unrecognized_keys"),
      );
      if (branches.some((errors) => errors.length === 0)) continue;
      const best = branches.sort((a, b) => a.length - b.length)[0] as Issue[];
      const inner = missingPart(message, best);
      if (inner) return `${issue.path.join(".")} ${inner}`.trim();
      continue;
    }
    return `${issue.path.join(".") || "message"}: ${issue.message}`;
  }
  return undefined;
}
