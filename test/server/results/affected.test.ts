import { expect, test } from "vitest";
import { affectedStretch } from "../../../server/results/affected.js";

const edited = (first: number, last = first) => ({ first, last });

test.each([
  ["without anchors: the whole video", edited(5), [], { first: 0, last: 99 }],
  ["between two anchors, which stay", edited(20), [0, 40], { first: 1, last: 39 }],
  ["the nearest of several anchors, in any order", edited(20), [90, 0, 10, 40, 12], { first: 13, last: 39 }],
  ["on an anchor itself", edited(20), [20, 30], { first: 0, last: 29 }],
  ["next to anchors", edited(20), [19, 21], { first: 20, last: 20 }],
  ["a range with anchors inside", edited(10, 30), [5, 15, 60], { first: 6, last: 59 }],
  ["at the ends of the video", edited(0, 99), [], { first: 0, last: 99 }],
])("an edit can change %s", (_, frames, anchors, expected) => {
  expect(affectedStretch(frames, anchors, 100)).toEqual(expected);
});
