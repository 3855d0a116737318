/** What edits need of an open video. */
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { MaskletSession } from "../../typescript/index.js";
import type { FrameRange, LaneStates } from "../timeline/lane-states.js";
import type { History } from "./history.js";
import type { StaleFrames } from "./stale-frames.js";
import type { ViewStore } from "./view-state.js";

export interface EditedObject {
  readonly id: number;
  /** From `rename`; null: none. */
  readonly name: string | null;
  readonly concept: string | null;
}

export type EditClient = Pick<
  MaskletSession,
  | "lockFrames"
  | "markAbsent"
  | "mergeObjects"
  | "splitObject"
  | "swapObjects"
  | "rename"
  | "removeObject"
  | "removeConcept"
  | "undo"
  | "redo"
>;

export interface Notice {
  kind: "info" | "error";
  title: string;
  detail?: string;
  /** A later notice with the same topic replaces this one. */
  topic?: string;
}

export interface EditContext {
  readonly client: EditClient;
  readonly frame: Signal<number>;
  readonly selected: Signal<ReadonlySet<number>>;
  readonly range: Signal<FrameRange | undefined>;
  readonly objects: ReadonlySignal<readonly EditedObject[]>;
  readonly views: ViewStore["views"];
  readonly history: History;
  readonly stale: Signal<StaleFrames>;
  statesOf(objectId: number): LaneStates | undefined;
  notify(notice: Notice): void;
  /** Ends a running propagation. Resolves when it has ended; to false when none was running. */
  pauseRun(): Promise<boolean>;
  /** Continues what `pauseRun` ended. */
  resumeRun(): void;
  /** Reads the stored results that an edit changed. */
  refresh(): Promise<void>;
}
