/** What the checks share: connections, sessions that are closed at the end, uploads that are made once. */
import { encodeEnvelope } from "../../protocol/index.js";
import { type Fields, type Message, Probe } from "./probe.js";
import { BrokenRule, expectThat, NotTried } from "./verdicts.js";

export interface LabOptions {
  /** `http://…` without a path. */
  http: string;
  /** `ws://…/v1`. */
  socket: string;
  key?: string;
  onFault(rule: string, fault: string): void;
  /** Time for one answer. */
  timeoutMs: number;
}

export interface Reply {
  status: number;
  headers: Headers;
  bytes: Buffer;
  /** The body as JSON; undefined when it is not JSON. */
  body: Message;
}

export interface Session {
  probe: Probe;
  id: string;
  token: string;
  start: Message;
  ok(fields: Fields): Promise<Message>;
  ask(fields: Fields): Promise<Message>;
  fails(fields: Fields, code: string | readonly string[], field?: string): Promise<Message>;
  stream(fields?: Fields): ReturnType<Probe["stream"]>;
}

export interface ConnectOptions {
  headers?: Record<string, string>;
  protocols?: string[];
  url?: string;
  withoutKey?: boolean;
}

export interface Lab {
  readonly options: LabOptions;
  /** The answer to `get_server`. */
  readonly server: Message;
  connect(options?: ConnectOptions): Promise<Probe>;
  /** A connection that checks share for requests that need no session of their own. */
  readonly probe: Probe;
  http(path: string, init?: RequestInit & { withoutKey?: boolean }): Promise<Reply>;
  /** Uploads bytes; the answer's fields. @throws BrokenRule when the server refuses them */
  upload(bytes: Uint8Array, query?: string): Promise<Message>;
  /** The id of an upload that is made once per name. */
  media(name: string, make: () => Promise<Uint8Array>): Promise<string>;
  /** Starts a session on its own connection or on `probe`. */
  session(fields: Fields, probe?: Probe): Promise<Session>;
  /** Pushes a picture into a live session. */
  push(session: Session, picture: Uint8Array, fields?: Fields): string;
  /** @throws NotTried unless the pack supports the kind of prompt, such as `text` */
  requirePrompt(kind: string): void;
  /** @throws NotTried unless the limit of the server is at most `most` */
  requireLimit(name: string, most: number): number;
  /** Closes what the check opened. */
  tidy(): Promise<void>;
  close(): Promise<void>;
}

export async function openLab(options: LabOptions): Promise<Lab> {
  const authorization = options.key === undefined ? {} : { authorization: `Bearer ${options.key}` };
  const opened = new Set<Probe>();
  const sessions = new Set<Session>();
  const uploads = new Map<string, Promise<string>>();

  const connect: Lab["connect"] = async ({
    headers = {},
    protocols,
    url = options.socket,
    withoutKey = false,
  } = {}) => {
    const probe = await Probe.open({
      url,
      headers: { ...(withoutKey ? {} : authorization), ...headers },
      ...(protocols && { protocols }),
      onFault: options.onFault,
      timeoutMs: options.timeoutMs,
    });
    opened.add(probe);
    return probe;
  };

  const http: Lab["http"] = async (path, { withoutKey, headers, ...init } = {}) => {
    const signal = AbortSignal.timeout(options.timeoutMs);
    const answer = await fetch(`${options.http}${path}`, {
      signal,
      ...init,
      headers: { ...(withoutKey ? {} : authorization), ...(headers as Record<string, string>) },
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    let body: Message = {};
    try {
      body = JSON.parse(bytes.toString()) as Message;
    } catch {
      // Not every answer is JSON.
    }
    return { status: answer.status, headers: answer.headers, bytes, body };
  };

  const upload: Lab["upload"] = async (bytes, query = "") => {
    const { status, body } = await http(`/v1/uploads${query}`, {
      method: "POST",
      body: Buffer.from(bytes),
    });
    if (status !== 201)
      throw new BrokenRule(`an upload got ${status} ${body.error?.code ?? ""}: ${body.error?.message ?? ""}`);
    return body;
  };

  const probe = await connect();
  const server = await probe.ok({ type: "get_server" });
  opened.delete(probe);

  async function tidy(): Promise<void> {
    // By HTTP, which reaches every session of the owner, also one whose connection has ended.
    await Promise.all(
      [...sessions].map(({ id }) =>
        http("/v1/handle_request", {
          method: "POST",
          body: JSON.stringify({ type: "close_session", session_id: id }),
        }).catch(() => {}),
      ),
    );
    sessions.clear();
    await Promise.all([...opened].map((one) => one.close()));
    opened.clear();
  }

  return {
    options,
    server,
    probe,
    connect,
    http,
    upload,
    media(name, make) {
      const known = uploads.get(name);
      if (known) return known;
      const made = make().then(
        async (bytes) => (await upload(bytes, `?filename=${name}`)).upload_id as string,
      );
      uploads.set(name, made);
      return made;
    },
    async session(fields, given) {
      const own = given ?? (await connect());
      const start = await own.ok({ type: "start_session", ...fields });
      const { session_id: id, session_token: token } = start;
      const about = (more: Fields) => ({ session_id: id, ...more });
      const session: Session = {
        probe: own,
        id,
        token,
        start,
        ok: (more) => own.ok(about(more)),
        ask: (more) => own.ask(about(more)),
        fails: (more, code, field) => own.fails(about(more), code, field),
        stream: (more = {}) => own.stream(about({ type: "propagate_in_video", ...more })),
      };
      sessions.add(session);
      return session;
    },
    push({ probe: own, id }, picture, fields = {}) {
      const requestId = `push-${Math.random().toString(36).slice(2)}`;
      own.sendRaw(
        encodeEnvelope({ type: "push_frame", request_id: requestId, session_id: id, ...fields }, picture),
      );
      return requestId;
    },
    requirePrompt(kind) {
      if (!(server.prompts as string[]).includes(kind))
        throw new NotTried(`the model pack of this server has no prompts of the kind ${kind}`);
    },
    requireLimit(name, most) {
      const value = server.limits?.[name];
      expectThat(typeof value === "number", `get_server reports no limit ${name}`);
      if (value > most)
        throw new NotTried(`${name} of this server is ${value}; the check needs at most ${most}`);
      return value;
    },
    tidy,
    async close() {
      await tidy();
      for (const id of await Promise.allSettled(uploads.values()))
        if (id.status === "fulfilled")
          await http(`/v1/uploads/${id.value}`, { method: "DELETE" }).catch(() => {});
      await probe.close();
    },
  };
}
