/** The masks before and after a correction: what is kept of before, and which frames changed. */
import { describe, expect, it } from "vitest";
import type { FrameResult, ResultObject } from "../../clients/web/results/frame-result.js";
import { createComparison } from "../../clients/web/session/comparison.js";
import type { FrameRange } from "../../clients/web/timeline/lane-states.js";

const object = (id: number, ...mask: number[]): ResultObject => ({
  ...{ id, score: 0.9, boxXywh: [0, 0, 1, 1], mask: Uint8Array.from(mask) },
});
const result = (frame: number, ...objects: ResultObject[]): FrameResult => ({
  ...{ frame, timestampUs: null, objects, states: [] },
});
const affected = (obj_id: number | null, first: number, last: number) => ({
  ...{ obj_id, first_frame_index: first, last_frame_index: last },
});

/** @param stored what the server has, by frame; `requests` lists what was read of it */
function setUp(stored: readonly FrameResult[] = [], maxBytes?: number) {
  const requests: (FrameRange & { id: number })[] = [];
  let before = async (_frame: number) => {};
  const comparison = createComparison({
    async *readStored({ first, last }, id) {
      requests.push({ first, last, id });
      for (const one of stored) {
        if (one.frame < first || one.frame > last) continue;
        await before(one.frame);
        yield { ...one, objects: one.objects.filter((object) => object.id === id) };
      }
    },
    ...(maxBytes !== undefined && { maxBytes }),
  });
  return {
    comparison,
    requests,
    onRead: (action: typeof before) => {
      before = action;
    },
  };
}

describe("the comparison of a correction", () => {
  it("lists the frames whose mask differs, ascending, and no frame twice", () => {
    const { comparison } = setUp();
    const old = [4, 5, 6, 7].map((frame) => result(frame, object(1, 1, 2), object(2, 9)));
    comparison.begin(1, old);
    expect([comparison.objectId.value, comparison.changed.value]).toEqual([1, []]);
    for (const frame of [7, 4, 6, 6]) comparison.compare(result(frame, object(1, 1, 3), object(2, 9)));
    // The same mask, and another object that changed.
    comparison.compare(result(5, object(1, 1, 2), object(2, 8)));
    // Nothing is known of this frame from before.
    comparison.compare(result(30, object(1, 5)));
    expect(comparison.changed.value).toEqual([4, 6, 7]);
    // Computed again with the mask from before.
    comparison.compare(result(6, object(1, 1, 2)));
    expect(comparison.changed.value).toEqual([4, 7]);
  });

  it("counts a mask that appears or disappears as a change", () => {
    const { comparison } = setUp();
    comparison.begin(1, [result(0), result(1, object(1, 1)), result(2)]);
    for (const one of [result(0, object(1, 1)), result(1), result(2)]) comparison.compare(one);
    expect(comparison.changed.value).toEqual([0, 1]);
  });

  it("replaces only the corrected object by the one from before", () => {
    const { comparison } = setUp();
    const [old, other] = [object(1, 1), object(2, 2)];
    comparison.begin(1, [result(3, old, other), result(4, other)]);
    const now = object(0, 7);
    expect(comparison.before(result(3, now, object(1, 5), other)).objects).toEqual([now, old, other]);
    expect(comparison.before(result(4, object(1, 5), other)).objects).toEqual([other]);
    const unknown = result(9, object(1, 5));
    expect(comparison.before(unknown)).toBe(unknown);
  });

  it("reads what the correction may change, of its object, until a frame is computed again", async () => {
    const stored = [5, 6, 7].map((frame) => result(frame, object(1, 1), object(2, 2)));
    const { comparison, requests, onRead } = setUp(stored);
    comparison.begin(1, [result(5, object(1, 8))]);
    onRead(async (frame) => {
      // The result of the run arrives before the stored one.
      if (frame === 6) comparison.compare(result(6, object(1, 3)));
    });
    await comparison.capture([affected(1, 5, 6), affected(2, 0, 99), affected(null, 7, 7)]);
    expect(requests).toEqual([
      { first: 5, last: 6, id: 1 },
      { first: 7, last: 7, id: 1 },
    ]);
    for (const frame of [5, 6, 7]) comparison.compare(result(frame, object(1, 4)));
    expect(comparison.changed.value).toEqual([5, 7]);
    // What was in memory at the correction is not replaced.
    expect(comparison.before(result(5)).objects).toEqual([object(1, 8)]);
  });

  it("stays within its bound of bytes", async () => {
    const bytes = 1000;
    const stored = [result(3, object(1, ...Array<number>(bytes)))];
    const { comparison } = setUp(stored, 2 * (bytes + 200));
    comparison.begin(
      1,
      [0, 1, 2].map((frame) => result(frame, object(1, ...Array<number>(bytes)))),
    );
    await comparison.capture([affected(1, 3, 3)]);
    for (const frame of [0, 1, 2, 3]) comparison.compare(result(frame));
    expect(comparison.changed.value).toEqual([0, 1]);
  });

  it("ends with its last answer: a later one belongs to no comparison", async () => {
    const { comparison, onRead } = setUp([result(0, object(1, 1)), result(1, object(1, 1))]);
    comparison.begin(1, []);
    comparison.showsBefore.value = true;
    onRead(async (frame) => {
      if (frame === 1) comparison.begin(1, []);
    });
    await comparison.capture([affected(1, 0, 1)]);
    expect(comparison.showsBefore.value).toBe(false);
    for (const frame of [0, 1]) comparison.compare(result(frame));
    expect(comparison.changed.value).toEqual([]);
    comparison.end();
    comparison.compare(result(0, object(1, 1)));
    const same = result(0, object(1, 1));
    expect([comparison.objectId.value, comparison.before(same)]).toEqual([undefined, same]);
  });
});
