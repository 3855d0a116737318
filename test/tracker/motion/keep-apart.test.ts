import { describe, expect, it } from "vitest";
import type { Masklet } from "../../../tracker/masklet.js";
import { keepApart } from "../../../tracker/motion/keep-apart.js";
import { trackedObservation } from "../../../tracker/observation.js";

const SIDE = 10;

/** A mask of whole columns, `from` up to and including `to`. */
const columns = (from: number, to: number, logit = 3) =>
  Float32Array.from({ length: SIDE * SIDE }, (_, pixel) =>
    pixel % SIDE >= from && pixel % SIDE <= to ? logit : -3,
  );

function observe(mask: Float32Array, last: Float32Array | null, masklet: Partial<Masklet> = { owned: true }) {
  const prediction = { maskLogits: mask, score: 5, iou: 0.9, pointer: new Float32Array() };
  return trackedObservation(masklet as Masklet, prediction, mask, last);
}

/** The columns of each mask after the objects have been kept apart. */
function divided(...observations: ReturnType<typeof observe>[]): number[][] {
  keepApart(observations, SIDE);
  return observations.map(({ maskLogits }) =>
    [...Array(SIDE).keys()].filter((column) => (maskLogits[column] as number) > 0),
  );
}

const both = columns(1, 8);

describe("the user's objects", () => {
  it("keep the pixels that are nearer to where they were", () => {
    expect(divided(observe(both, columns(1, 3)), observe(both, columns(6, 8)))).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
    const surer = divided(observe(columns(1, 8, 5), columns(1, 2)), observe(both, columns(6, 8)));
    expect(surer[0]).toEqual([1, 2, 3, 4]); // column 4 is equally near
  });

  it("may share pixels when they did so before, as a person and a shirt do", () => {
    const [person, shirt] = [observe(both, both), observe(columns(3, 5), columns(3, 5))];
    expect(divided(person, shirt)).toEqual([
      [1, 2, 3, 4, 5, 6, 7, 8],
      [3, 4, 5],
    ]);
    expect(person.maskLogits).toBe(both);
  });

  it("are not divided from an object without a recent mask, one that the user removed, or one of the detector", () => {
    const first = () => observe(both, columns(1, 3));
    for (const other of [
      observe(both, null),
      observe(both, columns(SIDE, SIDE)),
      observe(both, columns(6, 8), { owned: true, excluded: true }),
      observe(both, columns(6, 8), { owned: false }),
    ])
      expect(divided(first(), other)[0]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
