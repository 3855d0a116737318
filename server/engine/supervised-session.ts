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
import { createJournal, type RecoveryOptions, type SnapshotBudget } from "./journal.js";
import { orderCalls } from "./session-calls.js";
import { type CallVerb, type EngineFrame, SESSION_VERBS, type SessionVerb, verbMethods } from "./verbs.js";

export interface SupervisedSession {
  /** @throws EngineError for a video or policy that the pack cannot serve */
  open(): Promise<EngineSession>;
  /** The process has ended: loses the session at once when it cannot be rebuilt. */
  processEnded(reason: string): void;
  /** Another process is ready: rebuilds the session in it. */
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
  budget: SnapshotBudget;
  warn(message: string): void;
  /** Called for each answered call. */
  onAnswer(verb: SessionVerb): void;
  /** Called once, when the session is closed or lost. */
  onEnd(): void;
}

/** A session is lost after this many ends of the process in a row during its calls, so that the others can continue. */
const MAX_STRIKES = 2;
/** A snapshot is copied twice on its way to the main process, which takes about as long as making it. */
const TRANSFER_FACTOR = 2;

export function createSupervisedSession(parts: SupervisedSessionParts): SupervisedSession {
  const { id, video, hooks, running } = parts;
  const journal = createJournal(parts.recovery, parts.budget, performance.now());
  let takesSnapshots = true;
  let isSnapshotPlanned = false;
  let rules: SessionRules | undefined;
  /** The process that holds the session; `rebuilt` resolves when the session is complete there. */
  let home: { process: InferenceProcess; rebuilt: Promise<void>; isComplete: boolean } | undefined;
  /** Set when the session is closed or lost: the error with which its calls reject. */
  let over: ProtocolError | undefined;
  let strikes = 0;
  let rejectWaiting: (reason: ProtocolError) => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    rejectWaiting = reject;
  });
  ended.catch(() => {});

  const calls = orderCalls(deliver as CallVerb);

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

  /** Counts an end of the process during one of the session's calls. */
  function strike({ reason, wasExecuting }: ProcessEnded): void {
    if (!wasExecuting) return;
    strikes += 1;
    if (strikes < MAX_STRIKES) return;
    lose(`The inference process ended ${strikes} times in a row (${reason}) during a call of this session.`);
  }

  /** The process that holds the complete session. */
  async function attached(): Promise<InferenceProcess> {
    for (;;) {
      if (over) throw over;
      if (home?.isComplete && home.process === parts.current()) return home.process;
      try {
        const process = await Promise.race([running(), ended]);
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
    try {
      const { snapshot } = journal;
      const opened = await process.control("open", { session: id, video, ...(snapshot && { snapshot }) });
      if (rules === undefined) {
        rules = opened;
        return;
      }
      if (opened.pack.hash !== rules.pack.hash)
        lose("The inference process was restarted with another model pack.");
      if (over) throw over;
      await replay(process);
    } catch (error) {
      if (error instanceof ProcessEnded) strike(error);
      else if (rules === undefined) end(error as EngineError);
      else lose(`The session could not be rebuilt: ${(error as Error).message}`);
      throw over ?? error;
    }
    hooks.onRecovered?.();
  }

  async function replay(process: InferenceProcess): Promise<void> {
    const { entries } = journal;
    const indices = entries.flatMap(({ frameIndex }) => frameIndex ?? []);
    const frames = hooks.replayFrames?.(indices)[Symbol.asyncIterator]();
    try {
      for (const { verb, params, frameIndex } of entries) {
        let complete = params;
        if (frameIndex !== undefined) {
          const frame = (await frames?.next())?.value as EngineFrame | undefined;
          if (frame?.index !== frameIndex) throw new Error(`The pixels of frame ${frameIndex} are missing.`);
          complete = { ...(params as object), frame };
        }
        await process.call(id, verb, complete as never).catch((error) => {
          // A call that was rejected before is rejected again.
          if (error instanceof ProcessEnded) throw error;
        });
      }
    } finally {
      await frames?.return?.();
    }
  }

  /** Runs in turn, so that no call changes the session meanwhile. */
  async function takeSnapshot(): Promise<void> {
    const process = home?.process;
    if (!process || !home?.isComplete || process !== parts.current()) return;
    try {
      const { bytes, ms } = await process.control("snapshot", { session: id });
      // A copy: the received bytes are a part of a larger message buffer.
      if (!over) journal.keep(bytes.slice(), ms * TRANSFER_FACTOR, performance.now());
    } catch (error) {
      takesSnapshots = false;
      if (error instanceof ProcessEnded) strike(error);
      else parts.warn(`No further snapshots of this session: ${(error as Error).message}`);
    }
  }

  function snapshotIfDue(): void {
    if (!takesSnapshots || isSnapshotPlanned || !journal.isSnapshotDue(performance.now())) return;
    isSnapshotPlanned = true;
    const planned = calls.inTurn(takeSnapshot).catch(() => {});
    void planned.then(() => {
      isSnapshotPlanned = false;
    });
  }

  async function deliver(verb: SessionVerb, params: never): Promise<unknown> {
    for (;;) {
      const process = await attached();
      try {
        const result = await process.call(id, verb, params);
        journal.record(verb, params, false);
        parts.onAnswer(verb);
        if (SESSION_VERBS[verb].pushedFrames !== "add") {
          strikes = 0;
          snapshotIfDue();
        }
        return result;
      } catch (error) {
        if (!(error instanceof ProcessEnded)) {
          if (SESSION_VERBS[verb].pushedFrames !== "add") journal.record(verb, params, true);
          throw error;
        }
        strike(error);
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
    recover: () => void attached().catch(() => {}),
  };
}
