/**
 * The masks of one object before its last correction, to be compared with those after it. They are kept until the next
 * correction, up to a bound in bytes.
 */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { AffectedRange } from "../edits/stale-frames.js";
import type { FrameResult, ResultObject } from "../results/frame-result.js";
import type { FrameRange } from "../timeline/lane-states.js";
import { frameAtTime } from "../video/frame-times.js";

export interface Comparison {
  /** The corrected object; undefined: there is nothing to compare. */
  readonly objectId: ReadonlySignal<number | undefined>;
  /** Whether the stage shows the masks from before the correction. */
  readonly showsBefore: Signal<boolean>;
  /** The frames whose mask differs from the one before, ascending. */
  readonly changed: ReadonlySignal<readonly number[]>;
  /** Starts a comparison. Call it before the correction, with the results in memory. */
  begin(objectId: number, results: Iterable<FrameResult>): void;
  /** Reads the masks that the correction may change; they are those from before until the frames are computed again. */
  capture(affected: readonly AffectedRange[]): Promise<void>;
  /** Compares a new result. */
  compare(result: FrameResult): void;
  /** The result with the object as it was before; the same result where it is not known. */
  before(result: FrameResult): FrameResult;
  /** Ends the comparison: after an undo, or when the object is gone. */
  end(): void;
}

export interface ComparisonParts {
  /** Stored results of an object. */
  readStored(range: FrameRange, objectId: number): AsyncIterable<FrameResult>;
  maxBytes?: number;
}

const MAX_BYTES = 16 * 2 ** 20;
/** Of a mask without its bytes. */
const OVERHEAD_BYTES = 200;

export function createComparison({ readStored, maxBytes = MAX_BYTES }: ComparisonParts): Comparison {
  const objectId = signal<number | undefined>(undefined);
  const showsBefore = signal(false);
  const changed = signal<readonly number[]>([]);
  /** Undefined: the object had no mask on the frame. */
  const earlier = new Map<number, ResultObject | undefined>();
  /** Frames with a result from after the correction. */
  const computed = new Set<number>();
  let bytes = 0;
  let generation = 0;

  const find = ({ objects }: FrameResult, id = objectId.peek()) => objects.find((one) => one.id === id);

  function keep({ frame, ...result }: FrameResult): boolean {
    const object = find({ frame, ...result });
    const size = OVERHEAD_BYTES + (object?.mask.length ?? 0);
    if (bytes + size > maxBytes) return false;
    bytes += size;
    earlier.set(frame, object);
    return true;
  }

  function setChanged(frame: number, isChanged: boolean): void {
    const list = changed.peek();
    // The last place up to the frame. A run adds a frame at a time, so the list is not sorted again.
    const at = frameAtTime(list, frame);
    const isListed = list[at] === frame;
    if (isListed === isChanged) return;
    changed.value = isChanged ? list.toSpliced(at + 1, 0, frame) : list.toSpliced(at, 1);
  }

  function end(): void {
    generation++;
    earlier.clear();
    computed.clear();
    bytes = 0;
    objectId.value = undefined;
    showsBefore.value = false;
    changed.value = [];
  }

  return {
    objectId,
    showsBefore,
    changed,
    end,
    begin(id, results) {
      end();
      objectId.value = id;
      for (const result of results) if (!keep(result)) return;
    },
    async capture(affected) {
      const id = objectId.peek();
      if (id === undefined) return;
      const mine = generation;
      for (const { obj_id, first_frame_index: first, last_frame_index: last } of affected) {
        if (obj_id !== null && obj_id !== id) continue;
        for await (const result of readStored({ first, last }, id)) {
          if (generation !== mine) return;
          if (earlier.has(result.frame) || computed.has(result.frame)) continue;
          if (!keep(result)) return;
        }
      }
    },
    compare(result) {
      const { frame } = result;
      if (objectId.peek() === undefined) return;
      computed.add(frame);
      if (earlier.has(frame)) setChanged(frame, !isSame(earlier.get(frame), find(result)));
    },
    before(result) {
      const { frame, objects } = result;
      if (objectId.peek() === undefined || !earlier.has(frame)) return result;
      const old = earlier.get(frame);
      const others = objects.filter(({ id }) => id !== objectId.peek());
      return { ...result, objects: old ? [...others, old].sort((a, b) => a.id - b.id) : others };
    },
  };
}

function isSame(a: ResultObject | undefined, b: ResultObject | undefined): boolean {
  if (!a || !b) return a === b;
  return a.mask.length === b.mask.length && a.mask.every((value, at) => value === b.mask[at]);
}
