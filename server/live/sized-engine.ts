/**
 * The engine session of a live session. The engine needs the size of the video, which is not known before the first
 * picture, so the engine session is opened with the first call after it.
 */
import { ProtocolError } from "../../protocol/errors.js";
import { type EngineSession, type SessionRules, verbMethods } from "../engine/index.js";

export interface FrameSize {
  width: number;
  height: number;
}

export interface SizedEngine {
  readonly session: EngineSession;
  /** True once a prompt has been added; false again after `reset`. Without prompts no frame needs the model. */
  readonly isPrompted: boolean;
}

export interface SizedEngineParts {
  rules: SessionRules;
  /** The size of the video; undefined before the first picture. */
  size(): FrameSize | undefined;
  open(size: FrameSize): Promise<EngineSession>;
}

/** The description of a session before its first picture. */
const NOTHING: Awaited<ReturnType<EngineSession["describe"]>> = {
  concepts: [],
  negativeConcepts: [],
  objectIds: [],
  objects: [],
};

export function createSizedEngine({ rules, size, open }: SizedEngineParts): SizedEngine {
  let opened: Promise<EngineSession> | undefined;
  let closed: ProtocolError | undefined;
  let isPrompted = false;

  /** @throws ProtocolError the reason of `close` */
  async function running(): Promise<EngineSession | undefined> {
    if (closed) throw closed;
    const known = size();
    if (known) opened ??= open(known);
    const session = await opened;
    if (closed) throw closed;
    return session;
  }

  const methods = verbMethods(async (verb, params) => {
    const session = await running();
    if (!session) {
      if (verb === "describe") return NOTHING as never;
      if (verb === "reset") return undefined as never;
      throw new ProtocolError("frame_out_of_range", "No frame has arrived yet.");
    }
    const result = await (session[verb] as (params: unknown) => Promise<never>)(params);
    if (verb === "prompt") isPrompted = true;
    if (verb === "reset") isPrompted = false;
    return result;
  });

  return {
    get isPrompted() {
      return isPrompted;
    },
    session: {
      ...methods,
      rules,
      async snapshot() {
        const session = await running();
        if (session) return session.snapshot();
        throw new ProtocolError("frame_out_of_range", "No frame has arrived yet.");
      },
      async close(reason) {
        closed ??= reason ?? new ProtocolError("session_not_found", "The session is closed.");
        const session = await opened?.catch(() => undefined);
        await session?.close(reason);
      },
    },
  };
}
