/** Messages between the main process and the inference process: pixels cross once, as raw bytes. See `channel.ts`. */
import type { ErrorCode } from "../../protocol/errors.js";
import type { EngineVideo, PackSummary, SessionRules } from "./engine.js";
import type { GraphCosts } from "./graph-costs.js";
import type { TurnHolders } from "./turns.js";
import type { SessionVerb, VerbParams, VerbResult } from "./verbs.js";

/** Calls to the process itself: parameters and result. Sessions are numbered by the caller. */
export interface ProcessVerbs {
  load: { params: LoadParams; result: PackSummary };
  /** With a snapshot, the session continues from it. */
  open: { params: { session: number; video: EngineVideo; snapshot?: Uint8Array }; result: SessionRules };
  snapshot: { params: { session: number; maxBytes: number }; result: TimedSnapshot };
  close: { params: { session: number }; result: undefined };
  /** Answered out of turn, as soon as the thread is free. */
  ping: { params: undefined; result: undefined };
}

/** Its bytes do not cross with the answer, but in the {@link SnapshotPart}s that follow: other answers come between them. */
export interface TimedSnapshot {
  /** See `snapshot-bytes.ts`; absent when there are more than `maxBytes`, so that they do not cross for nothing. */
  bytes?: Uint8Array;
  /** Time that it took to make, in milliseconds. */
  ms: number;
}

export type ProcessVerb = keyof ProcessVerbs;

export interface LoadParams {
  packDir: string;
  providers: string[];
  /** 0 chooses by the machine. */
  threads: number;
}

/** `session` is null for calls to the process itself. */
export type IpcRequest =
  | { [V in SessionVerb]: { id: number; session: number; verb: V; params: VerbParams<V> } }[SessionVerb]
  | {
      [V in ProcessVerb]: { id: number; session: null; verb: V; params: ProcessVerbs[V]["params"] };
    }[ProcessVerb];

/** A message without an answer. */
export type IpcNotice =
  /** Ends the call with this id, if it changes no state: it is answered with an error. It may be answered already. */
  | { cancel: number }
  /** The call in progress of the session with this number is urgent from now on. */
  | { hurry: number };

export interface IpcFailure {
  code: ErrorCode;
  message: string;
  field?: string;
}

export type IpcReply =
  | {
      id: number;
      result: VerbResult<SessionVerb> | ProcessVerbs[ProcessVerb]["result"];
      costs: GraphCosts;
      /** Present when the bytes of a snapshot follow: how many. */
      snapshotBytes?: number;
    }
  | { id: number; error: IpcFailure; costs: GraphCosts };

/** The parts of a snapshot follow the answer to the call, in their order. */
export interface SnapshotPart {
  /** Id of the call. */
  snapshotOf: number;
  part: Uint8Array;
}

/** Messages of the inference process that answer no call, over Node's own channel. */
export type ProcessNotice =
  | { log: { level: "info" | "warn"; message: string } }
  /** The sessions that are carried out from now on. Sent while the process has several sessions. */
  | { turns: TurnHolders };
