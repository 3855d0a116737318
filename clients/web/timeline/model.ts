/** What the timeline shows of an open video. The views depend on this and on nothing else of the page. */
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { FrameRange, LaneStates } from "./lane-states.js";

export interface LaneFacts {
  readonly id: number;
  readonly name: string;
  /** `#rrggbb`. */
  readonly colour: string;
  readonly hidden: boolean;
  readonly states: LaneStates;
  /** Frames that an edit made stale and that were not computed since. */
  readonly stale: readonly FrameRange[];
}

export interface RunningRange extends FrameRange {
  /** The frame that was computed last. */
  readonly frame: number;
}

export interface TimelineModel {
  readonly numFrames: number;
  /** Time of every frame in microseconds. */
  readonly timesUs: ArrayLike<number>;
  readonly frame: Signal<number>;
  readonly selected: Signal<ReadonlySet<number>>;
  readonly lanes: ReadonlySignal<readonly LaneFacts[]>;
  /** Grows when the content of the typed arrays changes. */
  readonly version: ReadonlySignal<number>;
  /** Frames chosen for an edit or an export. */
  readonly range: Signal<FrameRange | undefined>;
  readonly running: ReadonlySignal<RunningRange | undefined>;
  /** Why a mask is suspect: a reason of `list_suspects`. */
  suspectReason?(objectId: number, frame: number): string | undefined;
}
