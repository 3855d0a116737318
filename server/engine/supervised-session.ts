/**
 * One session of a supervised inference process. When the process ends, the session is rebuilt in the next one from its
 * journal, and the calls that were pending are sent again.
 */
import type { ProtocolError } from "../../protocol/errors.js";
import {
  EngineError,
  type EngineSession,
  type EngineVideo,
  type SessionHooks,
  type SessionRules,
} from "./engine.js";
import { type InferenceProcess, ProcessEnded } from "./inference-process.js";
import { createJournal, type JournalEntry, type RecoveryOptions, type SnapshotBudget } from "./journal.js";
import { countProcessEnds } from "./process-ends.js";
import type { Replays } from "./replays.js";
import { orderCalls } from "./session-calls.js";
import { type CallVerb, type EngineFrame, SESSION_VERBS, type SessionVerb, verbMethods } from "./verbs.js";

export interface SupervisedSession {
  /** @throws EngineError for a video or policy that the pack cannot serve */
  open(): Promise<EngineSession>;
  /** The process has ended: loses the session at once when it cannot be rebuilt. */
  processEnded(reason: string): void;
  /** Another process is ready: rebuilds the session in it; a session without a client, with its next call. */
  recover(): void;
}

export interface SupervisedSessionParts {
  /** Number of the session in the inference process. */
  id: number;
  video: EngineVideo;
  hooks: SessionHooks;
  /** The process that answers calls; undefined while there is none. */
  current(): InferenceProcess | undefined;
  /** Waits for the process that answers calls. @throws EngineError engine_unavailable, shutting_down */
  running(): Promise<InferenceProcess>;
  recovery: RecoveryOptions;
  /** Of all sessions. */
  replays: Replays;
  budget: SnapshotBudget;
  /** The state to start from. */
  snapshot?: Uint8Array;
  warn(message: string): void;
  /** Called for each answered call. */
  onAnswer(verb: SessionVerb): void;
  /** Called once, when the session is closed or lost. */
  onEnd(): void;
}

/** Making a snapshot takes time of the session, and its transfer about as much of other threads. */
const TRANSFER_FACTOR = 2;

/** Largest snapshot for a caller: the longest buffer. */
const MAX_SNAPSHOT_BYTES = 2 ** 31 - 1;

/** After so many ends of the process during snapshots, the session takes no more of them. */
const MAX_ENDS_IN_SNAPSHOTS = 2;

export function createSupervisedSession(parts: SupervisedSessionParts): SupervisedSession {
  const { id, video, hooks, running } = parts;
  const journal = createJournal(parts.recovery, parts.budget, performance.now(), parts.snapshot);
  let takesSnapshots = true;
  /** Ends of the process during a snapshot. */
  let endsInSnapshots = 0;
  let isSnapshotPlanned = false;
  let rules: SessionRules | undefined;
  /** The process that holds the session; `rebuilt` resolves when the session is complete there. */
  let home: { process: InferenceProcess; rebuilt: Promise<void>; isComplete: boolean } | undefined;
  /** Set when the session is closed or lost: the error with which its calls reject. */
  let over: ProtocolError | undefined;
  const isInUse = () => hooks.isInUse?.() ?? true;
  const processEnds = countProcessEnds();
  let rejectWaiting: (reason: ProtocolError) => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    rejectWaiting = reject;
  });
  ended.catch(() => {});

  const calls = orderCalls(deliver as CallVerb, () => home?.process.hurry(id));

  function end(reason: ProtocolError): void {
    over = reason;
    calls.refuse(reason);
    rejectWaiting(reason);
    journal.release();
    parts.onEnd();
  }

  /** Has no effect on a session that is closed or lost already. */
  function lose(cause: string): void {
    if (over) return;
    const error = new EngineError("engine_restarted", `${cause} Start the session again.`);
    end(error);
    hooks.onLost?.(error);
  }

  /** Loses the session when the process ended too often during its calls. */
  function blame({ reason, wasExecuting }: ProcessEnded, call: object): void {
    const cause = wasExecuting ? processEnds.add(call, reason) : undefined;
    if (cause !== undefined) lose(cause);
  }

  /** The process that holds the complete session. */
  async function attached(): Promise<InferenceProcess> {
    for (;;) {
      if (over) throw over;
      if (home?.isComplete && home.process === parts.current()) return home.process;
      try {
        const process = await Promise.race([running(), ended]);
        // It may have ended in the same moment, and would be opened in a process that never closes it.
        if (over) throw over;
        if (home?.process !== process) home = moveTo(process);
        await Promise.race([home.rebuilt, ended]);
        return process;
      } catch (error) {
        if (!(error instanceof ProcessEnded)) throw error;
      }
    }
  }

  function moveTo(process: InferenceProcess) {
    const next = { process, rebuilt: rebuild(process), isComplete: false };
    next.rebuilt.then(
      () => {
        next.isComplete = true;
      },
      () => {},
    );
    return next;
  }

  async function rebuild(process: InferenceProcess): Promise<void> {
    /** The call that is carried out. */
    let call: object = parts;
    try {
      const { snapshot } = journal;
      const opened = await process.control("open", { session: id, video, ...(snapshot && { snapshot }) });
      if (rules === undefined) {
        rules = opened;
        return;
      }
      if (opened.pack.hash !== rules.pack.hash)
        lose("The inference process was restarted with another model pack.");
      // A stream goes on when its client has gone.
      const isAwaited = () => calls.isAwaited && isInUse();
      await parts.replays.run(isAwaited, () =>
        replay(process, (entry) => {
          if (over) throw over;
          if (process !== parts.current()) throw new ProcessEnded("another is started", false);
          call = entry;
        }),
      );
      if (over) throw over;
    } catch (error) {
      if (error instanceof ProcessEnded) blame(error, call);
      else if (rules === undefined) end(error as EngineError);
      else lose(`The session could not be rebuilt: ${(error as Error).message}`);
      // The process goes on without this session, and must not keep its memory.
      if (over) void process.control("close", { session: id }).catch(() => {});
      throw over ?? error;
    }
    hooks.onRecovered?.();
  }

  /** @param beforeEach called before each call; ends the replay by throwing */
  async function replay(process: InferenceProcess, beforeEach: (entry: JournalEntry) => void): Promise<void> {
    const { entries } = journal;
    const indices = entries.flatMap(({ frameIndex }) => frameIndex ?? []);
    const frames = hooks.replayFrames?.(indices)[Symbol.asyncIterator]();
    try {
      for (const entry of entries) {
        beforeEach(entry);
        const { verb, params, frameIndex } = entry;
        let complete = params;
        if (frameIndex !== undefined) {
          const frame = (await frames?.next())?.value as EngineFrame | undefined;
          if (frame?.index !== frameIndex) throw new Error(`The pixels of frame ${frameIndex} are missing.`);
          complete = { ...(params as object), frame };
        }
        await process.call(id, verb, complete as never).catch((error) => {
          // It succeeded before. Without it, for example for lack of memory, the session would continue from another state.
          throw error instanceof ProcessEnded ? error : new Error(`"${verb}" failed: ${error.message}`);
        });
      }
    } finally {
      await frames?.return?.();
    }
  }

  /** Runs in turn, so that no call changes the session meanwhile. */
  async function readSnapshot(): Promise<Uint8Array> {
    const call = {};
    for (;;) {
      const process = await attached();
      try {
        const { bytes } = await process.snapshot({ session: id, maxBytes: MAX_SNAPSHOT_BYTES });
        if (bytes) return await bytes;
        throw new EngineError("internal", "The state of the session is too large to be saved.");
      } catch (error) {
        if (!(error instanceof ProcessEnded)) throw error;
        blame(error, call);
      }
    }
  }

  /**
   * Runs in turn, so that no call changes the session meanwhile.
   * @returns keeps the snapshot once its bytes have arrived. Calls do not wait for them: a snapshot may have some megabytes.
   */
  async function takeSnapshot(): Promise<(() => Promise<void>) | undefined> {
    const process = home?.process;
    if (!process || !home?.isComplete || process !== parts.current()) return undefined;
    try {
      const { bytes, ms } = await process.snapshot({ session: id, maxBytes: journal.roomBytes });
      const begun = journal.beginSnapshot();
      return async () => {
        const arrived = await bytes;
        if (!over) begun.keep(arrived, ms * TRANSFER_FACTOR, performance.now());
      };
    } catch (error) {
      // A snapshot that fails is not tried again, nor one that ends the process: the first end may have another cause.
      if (error instanceof ProcessEnded) {
        if (error.wasExecuting) endsInSnapshots += 1;
        takesSnapshots = endsInSnapshots < MAX_ENDS_IN_SNAPSHOTS;
        blame(error, {});
      } else {
        takesSnapshots = false;
        parts.warn(`No further snapshots of this session: ${(error as Error).message}`);
      }
      return undefined;
    }
  }

  function snapshotIfDue(): void {
    if (!takesSnapshots || isSnapshotPlanned || !journal.isSnapshotDue(performance.now())) return;
    isSnapshotPlanned = true;
    const planned = calls.inTurn(takeSnapshot).then((keep) => keep?.());
    // Without the bytes, the journal remains as it is.
    void planned
      .catch(() => {})
      .then(() => {
        isSnapshotPlanned = false;
      });
  }

  async function deliver(verb: SessionVerb, params: never, signal?: AbortSignal): Promise<unknown> {
    /** Identifies this call, also when it is sent again. */
    const call = {};
    for (;;) {
      const process = await attached();
      try {
        const result = await process.call(id, verb, params, signal);
        journal.record(verb, params);
        parts.onAnswer(verb);
        if (SESSION_VERBS[verb].pushedFrames !== "add") {
          processEnds.reset();
          snapshotIfDue();
        }
        return result;
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof ProcessEnded)) throw error;
        blame(error, call);
      }
    }
  }

  return {
    async open() {
      await attached().catch((error) => {
        if (!over) end(error);
        throw error;
      });
      return {
        ...verbMethods(calls.call),
        snapshot: () => calls.inTurn(readSnapshot),
        rules: rules as SessionRules,
        close: async (reason) => {
          if (over) return;
          const closed = new EngineError("session_not_found", "The session is closed.");
          const inProgress = calls.inTurn(async () => {}).catch(() => {});
          end(reason ?? closed);
          await inProgress;
          // A process that has ended holds no session.
          await home?.process.control("close", { session: id }).catch(() => {});
        },
      };
    },
    processEnded(reason) {
      const needsFrames = journal.entries.some(({ frameIndex }) => frameIndex !== undefined);
      if (rules !== undefined && (!journal.isComplete || (needsFrames && !hooks.replayFrames)))
        lose(`The inference process ended (${reason}).`);
    },
    recover() {
      if (isInUse()) void attached().catch(() => {});
    },
  };
}
