/**
 * The interface between the server and inference. Pixels go in, small results come out; features, memory and tracks stay in
 * the inference process.
 *
 * One engine serves many sessions. Each session has one call in progress at a time. Calls of different sessions are carried
 * out at the same time and interleave at their graphs, so that owners share the model fairly, see `fair-queue.ts`. Every
 * rejection is an {@link EngineError}.
 */
import { ProtocolError } from "../../protocol/errors.js";
import type { PolicyOverride } from "../../protocol/policy.js";
import type { GraphCosts, GraphThread } from "./graph-costs.js";
import type { EngineFrame, VerbMethods } from "./verbs.js";

export type {
  BoxXywh,
  FrameOutput,
  ObjectOutput,
  PassRequest,
  PassStart,
} from "../../tracker/frame-output.js";

export interface EngineVideo {
  /** Pixels. */
  width: number;
  height: number;
  /** Absent in live sessions, whose frames are shown at once; see `live-policy.ts`. */
  numFrames?: number;
  /** Single rules in place of the pack's. */
  policy?: PolicyOverride;
  /** Absent: an owner of weight 1, the same for all such sessions. */
  owner?: EngineOwner;
}

/** Owners share the inference process by their weights. */
export interface EngineOwner {
  id: string;
  /** Above 0. */
  weight: number;
}

export interface SessionRules {
  /** The pack that the session was opened with. */
  pack: PackSummary;
  /** Default start of a propagation: the smallest frame prompted, or also the smallest visited by a full propagation. */
  defaultStart: "prompted" | "visited";
}

export interface PackSummary {
  id: string;
  family: string;
  version: string;
  /** SHA-256 of the manifest, which lists the hashes of all files; hexadecimal. */
  hash: string;
  /** S: the side of the square input in pixels. */
  inputSize: number;
  capabilities: { text: boolean; exemplars: boolean; points: boolean; maskSeed: boolean };
  /** Execution provider in use. Graphs on different providers are joined by "+", the largest share first. */
  provider: string;
}

/**
 * One video with its prompts, objects and memory. The methods are the rows of `SessionVerbs`. They reject with
 * engine_restarted once the session is lost, with engine_unavailable while no inference process is ready.
 */
export interface EngineSession extends VerbMethods {
  readonly rules: SessionRules;
  /**
   * The state that determines the next frames, as `snapshot-bytes.ts` writes it; frames that were pushed and not stepped are
   * not part of it. Rejects as the verbs do.
   */
  snapshot(): Promise<Uint8Array>;
  /**
   * Ends the session after the call in progress; calls that wait are rejected with `reason`. May be called again. Never
   * rejects.
   */
  close(reason?: ProtocolError): Promise<void>;
}

/** Callbacks that the owner of a session provides. */
export interface SessionHooks {
  /**
   * Decodes frames again, in the order of `indices`, to rebuild the session in another inference process. Without it, a
   * session that has seen a frame is lost when the inference process ends.
   */
  replayFrames?(indices: readonly number[]): AsyncIterable<EngineFrame>;
  /**
   * False while no client is there to make a call: the session is then rebuilt in another inference process only with its next
   * call. Default true.
   */
  isInUse?(): boolean;
  /** Called after each time the session was rebuilt in another inference process. */
  onRecovered?(): void;
  /** Called once when the session is gone for good; its calls reject with the same error. */
  onLost?(error: EngineError): void;
}

/**
 * `starting`: the first inference process loads its pack. `ready`: it answers. `restarting`: it ended, and calls wait for
 * the next one. `stalled`: it makes no progress; it continues, or is ended soon. `failed`: several starts in a row failed; calls
 * are rejected at once, and further starts are tried.
 */
export type EngineState = "starting" | "ready" | "stalled" | "restarting" | "failed";

/** Counts since the engine was created; they survive a restart of the inference process. */
export interface EngineStats {
  state: EngineState;
  /** Why the state is not `ready`, as one sentence; null when it is. */
  reason: string | null;
  /** Prompts and steps answered. */
  frames: number;
  /**
   * Time inside ONNX Runtime, in seconds, by thread, summed over the inference processes. The threads overlap; within one
   * inference process none exceeds one second per second.
   */
  runSecondsByThread: Record<GraphThread, number>;
  /** Inference processes whose times these are: more than one while sessions still use a pack that was replaced. */
  processes: number;
  /** How often the inference process was replaced. */
  restarts: number;
  /** Process id of the inference process; null between two processes. */
  workerPid: number | null;
  /** Time and memory of each graph, by role. */
  graphs: GraphCosts;
}

export interface Engine {
  /** What new sessions run on. A session keeps the pack that it was opened with. */
  readonly pack: PackSummary;
  /**
   * @param snapshot the state to continue from, of a session with the same video, policy and pack
   * @throws EngineError invalid_field for a policy that contradicts itself, saved_unreadable for a snapshot that does not fit,
   * engine_unavailable, shutting_down.
   */
  open(video: EngineVideo, hooks?: SessionHooks, snapshot?: Uint8Array): Promise<EngineSession>;
  /**
   * Reads the pack's folder again. New sessions run on its current content; open sessions keep theirs until they are
   * closed.
   * @throws EngineError engine_failed when the pack cannot be used: nothing has changed then.
   */
  reload(): Promise<PackSummary>;
  stats(): EngineStats;
  /** Ends the inference process. Pending calls reject with shutting_down. */
  close(): Promise<void>;
}

/** A failure of the engine that is reported to the client with its code and message. */
export class EngineError extends ProtocolError {}
