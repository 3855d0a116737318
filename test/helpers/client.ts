/**
 * A raw client: sends JSON over `ws` without the TypeScript client. It validates every message with its schema, and checks
 * that every error is in the list of errors of its request.
 */
import { once } from "node:events";
import { WebSocket } from "ws";
import {
  type DoneMessage,
  decodeBinaryMessage,
  decodeEnvelope,
  type ErrorMessage,
  type FrameMessage,
  mayFailWith,
  REQUEST_SCHEMAS,
  type RequestType,
  type ServerMessage,
  serverMessageSchema,
} from "../../protocol/index.js";

export type Fields = Record<string, unknown>;

export interface Stream {
  frames: FrameMessage[];
  end: DoneMessage | ErrorMessage;
}

export interface RawClient {
  readonly socket: WebSocket;
  /** All messages received so far. */
  readonly received: readonly ServerMessage[];
  /** Sends without waiting: an object as JSON with a new request id, which is returned; text and bytes unchanged. */
  send(message: Fields | string | Buffer): string;
  /** The first message that matches, among those received and those to come. Rejects when the socket closes first. */
  first<M extends ServerMessage>(matches: (message: ServerMessage) => message is M): Promise<M>;
  first(matches: (message: ServerMessage) => boolean): Promise<ServerMessage>;
  /** The answer to one request: its response or its error. */
  ask(message: Fields): Promise<ServerMessage & Fields>;
  /** The answer to a request that must succeed. */
  expectResponse(message: Fields): Promise<Fields>;
  /** The error of a request that must fail. No other request may be pending. */
  expectError(message: Fields | string | Buffer): Promise<ErrorMessage["error"]>;
  /** The frames of a stream, and its end. */
  stream(message: Fields): Promise<Stream>;
  /** The frames and the end of the stream with this request id. */
  streamOf(requestId: string): Promise<Stream>;
  /** Close code, once the socket is closed. */
  readonly closed: Promise<number>;
  /** Resolves when the server has received every message sent so far. */
  arrived(): Promise<void>;
  /** Ends the connection without a close frame, as a killed process does. */
  terminate(): void;
  close(): Promise<void>;
}

export async function connect(url: string, protocols = ["masklet.v1"], headers = {}): Promise<RawClient> {
  const socket = new WebSocket(url, protocols, { headers });
  const received: ServerMessage[] = [];
  const requestTypes = new Map<string, RequestType>();
  const waiting = new Set<() => void>();
  let failure: Error | undefined;
  let nextId = 1;
  const wake = () => {
    for (const go of [...waiting]) go();
  };

  socket.on("message", (data: Buffer, isBinary) => {
    const json: unknown = isBinary ? decodeEnvelope(data).header : JSON.parse(data.toString());
    const parsed = serverMessageSchema.safeParse(json);
    if (parsed.success) received.push(isBinary ? (decodeBinaryMessage(data) as ServerMessage) : parsed.data);
    else
      failure ??= new Error(`not a message of the protocol: ${data.toString().slice(0, 500)}`, parsed.error);
    if (parsed.data?.type === "error") checkError(parsed.data);
    wake();
  });

  function checkError({ request_id, error }: ErrorMessage): void {
    const type = requestTypes.get(request_id ?? "");
    if (type === undefined || mayFailWith(type, error.code)) return;
    failure ??= new Error(
      `PROTOCOL.md does not list ${error.code} among the errors of ${type}: ${error.message}`,
    );
  }

  const closed = new Promise<number>((resolve) => {
    socket.on("close", (code) => {
      failure ??= new Error(`the socket closed with ${code}`);
      resolve(code);
      wake();
    });
  });
  await once(socket, "open");

  function first(matches: (message: ServerMessage) => boolean): Promise<never> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const found = received.find(matches);
        if (!found && !failure) return;
        waiting.delete(check);
        if (found) resolve(found as never);
        else reject(failure);
      };
      waiting.add(check);
      check();
    });
  }

  function send(message: Fields | string | Buffer): string {
    const requestId = String(nextId++);
    if (typeof message === "string" || Buffer.isBuffer(message)) {
      socket.send(message, { binary: Buffer.isBuffer(message) });
    } else {
      const { type } = message;
      if (typeof type === "string" && Object.hasOwn(REQUEST_SCHEMAS, type))
        requestTypes.set(requestId, type as RequestType);
      socket.send(JSON.stringify({ request_id: requestId, ...message }));
    }
    return requestId;
  }

  const endsRequest = (id: string | null) => (message: ServerMessage) =>
    "request_id" in message && message.request_id === id && !["frame", "event"].includes(message.type);

  async function ask(message: Fields): Promise<ServerMessage & Fields> {
    return (await first(endsRequest(send(message)))) as ServerMessage & Fields;
  }

  async function streamOf(requestId: string): Promise<Stream> {
    const end = (await first(endsRequest(requestId))) as DoneMessage | ErrorMessage;
    const frames = received.filter(
      (message): message is FrameMessage => message.type === "frame" && message.request_id === requestId,
    );
    return { frames, end };
  }

  return {
    socket,
    received,
    send,
    first,
    ask,
    async expectResponse(message) {
      const answer = await ask(message);
      if (answer.type !== "response") throw new Error(`expected a response: ${JSON.stringify(answer)}`);
      return answer;
    },
    async expectError(message) {
      const before = received.length;
      const id = send(message);
      const isAnswer = (one: ServerMessage) => received.indexOf(one) >= before && one.type !== "frame";
      const answer = (await first(isAnswer)) as ServerMessage;
      if (answer.type !== "error") throw new Error(`expected an error: ${JSON.stringify(answer)}`);
      const hasNewId = typeof message === "object" && !("request_id" in message) && !Buffer.isBuffer(message);
      if (hasNewId && answer.request_id !== id)
        throw new Error(`expected an answer with request_id ${id}, got ${answer.request_id}`);
      return answer.error;
    },
    stream: (message) => streamOf(send(message)),
    streamOf,
    closed,
    arrived: async () => {
      const pong = once(socket, "pong");
      socket.ping();
      await pong;
    },
    terminate: () => socket.terminate(),
    async close() {
      socket.close();
      await closed;
    },
  };
}
