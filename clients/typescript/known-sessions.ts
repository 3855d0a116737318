/** The sessions that a client reaches, with what it needs to attach to each of them again. */

export interface KnownSession {
  readonly id: string;
  readonly token: string;
  readonly isWatcher: boolean;
  /** Whether this client started the session, and ends it with `close`. */
  readonly isOwn: boolean;
  /** `seq` of the last result that was received. */
  lastSeq: number;
  /**
   * Set between the loss of a connection and the end of the replay: requests of the session wait. The replay ends with the
   * result `replayTo`, which is known once the server has answered `attach_session`.
   */
  resuming?: { replayTo: number; pending: ReadonlySet<string> } | "attaching";
  /** Streams of other clients that this client acknowledges, with the frames that each has sent up to `foreignFrom`. */
  readonly foreignStreams: Map<string, number>;
  /** `last_seq` when the client attached. */
  foreignFrom: number;
}

export interface KnownSessions {
  add(session: Omit<KnownSession, "resuming" | "foreignStreams" | "foreignFrom">): KnownSession;
  get(sessionId: string | undefined): KnownSession | undefined;
  remove(sessionId: string): void;
  all(): KnownSession[];
}

/** @param onRemove called for each session that is removed */
export function createKnownSessions(onRemove: (sessionId: string) => void): KnownSessions {
  const sessions = new Map<string, KnownSession>();
  return {
    add(session) {
      const known: KnownSession = { ...session, foreignStreams: new Map(), foreignFrom: 0 };
      sessions.set(session.id, known);
      return known;
    },
    get: (sessionId) => (sessionId === undefined ? undefined : sessions.get(sessionId)),
    remove(sessionId) {
      if (sessions.delete(sessionId)) onRemove(sessionId);
    },
    all: () => [...sessions.values()],
  };
}

/** A `session_token` of 192 random bits. */
export function newToken(): string {
  return base64url(24);
}

/** Starts the request ids of a client, so that they differ from those of other clients of a session. */
export function newIdPrefix(): string {
  return base64url(6);
}

function base64url(bytes: number): string {
  const random = globalThis.crypto.getRandomValues(new Uint8Array(bytes));
  return btoa(String.fromCharCode(...random))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}
