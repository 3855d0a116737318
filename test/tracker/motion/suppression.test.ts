import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maskBits } from "../../../detector/mask-bits.js";
import { type Claim, findHidden, separate } from "../../../tracker/motion/suppression.js";
import { presets } from "../../../tracker/presets.js";

const rules = presets.compact.overlap;

function claim(objectId: number, logits: readonly number[], more: Partial<Claim> = {}): Claim {
  const maskLogits = Float32Array.from(logits);
  return {
    objectId,
    group: 0,
    maskLogits,
    bits: maskBits(maskLogits),
    supported: false,
    owned: false,
    seen: true,
    hiddenFrame: null,
    age: 10,
    ...more,
  };
}

const bar = (first: number, last: number, logit = 2) =>
  Array.from({ length: 20 }, (_, x) => (x >= first && x <= last ? logit : -2));

describe("objects whose masks coincide", () => {
  const hidden = (...claims: Claim[]) => [...findHidden(claims, rules)];

  it("keep the one with more support", () => {
    expect(hidden(claim(0, bar(0, 9)), claim(1, bar(0, 8), { supported: true }))).toEqual([0]);
    expect(hidden(claim(0, bar(0, 9), { owned: true, group: null }), claim(1, bar(0, 8)))).toEqual([1]);
    expect(
      hidden(claim(0, bar(0, 9), { supported: true }), claim(1, bar(0, 8), { supported: true })),
    ).toEqual([]);
  });

  it("hide the one hidden on the previous frame or more recently, then the younger one", () => {
    expect(hidden(claim(0, bar(0, 9), { seen: false }), claim(1, bar(0, 9)))).toEqual([0]);
    expect(hidden(claim(0, bar(0, 9), { hiddenFrame: 5 }), claim(1, bar(0, 9), { hiddenFrame: 3 }))).toEqual([
      0,
    ]);
    expect(hidden(claim(0, bar(0, 9), { age: 3 }), claim(1, bar(0, 9)))).toEqual([0]);
    expect(hidden(claim(0, bar(0, 9)), claim(1, bar(0, 9)))).toEqual([1]);
  });

  it("must overlap enough, or lie inside a supported mask", () => {
    expect(hidden(claim(0, bar(0, 9)), claim(1, bar(5, 14)))).toEqual([]);
    expect(hidden(claim(0, bar(0, 19), { supported: true }), claim(1, bar(2, 5)))).toEqual([1]);
    expect(hidden(claim(0, bar(0, 19)), claim(1, bar(2, 5)))).toEqual([]);
  });

  it("may overlap when they are of different concepts", () => {
    expect(hidden(claim(0, bar(0, 9), { supported: true }), claim(1, bar(0, 9), { group: 1 }))).toEqual([]);
  });
});

describe("the assignment of pixels", () => {
  const inside = (mask: Float32Array | undefined) => maskBits(mask ?? new Float32Array()).area;

  it("prefers supported masks, then the higher logit", () => {
    const [a, b] = separate([claim(0, bar(0, 9, 2)), claim(1, bar(5, 14, 3))], rules);
    expect([inside(a), inside(b)]).toEqual([5, 10]);
    const [c, d] = separate([claim(0, bar(0, 9, 2), { supported: true }), claim(1, bar(5, 14, 3))], rules);
    expect([inside(c), inside(d)]).toEqual([10, 5]);
  });

  it("empties an unsupported mask that keeps few of its pixels", () => {
    const [, b] = separate([claim(0, bar(0, 9, 5)), claim(1, bar(2, 11, 1))], rules);
    expect(inside(b)).toBe(0);
    const supported = { supported: true };
    const [, d] = separate([claim(0, bar(0, 9, 5), supported), claim(1, bar(2, 11, 1), supported)], rules);
    expect(inside(d)).toBe(2);
  });

  it("does not affect other groups; it affects objects created by the user only with exclusivePrompted", () => {
    const own = { group: null, owned: true, supported: true };
    const claims = [
      claim(0, bar(0, 9)),
      claim(1, bar(0, 9), { group: 1 }),
      claim(2, bar(0, 9), own),
      claim(3, bar(0, 9), own),
    ];
    expect(separate(claims, rules).map(inside)).toEqual([10, 10, 10, 10]);
    expect(separate(claims, { ...rules, exclusivePrompted: true }).map(inside)).toEqual([10, 10, 10, 0]);
  });

  it("assigns each covered pixel to exactly one object of a group, and changes no input", () => {
    const logits = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(fc.tuple(logits, fc.boolean()), { minLength: 1, maxLength: 4 }), (drawn) => {
        const claims = drawn.map(([mask, supported], id) => claim(id, mask, { supported }));
        const before = claims.map(({ maskLogits }) => maskLogits.slice());
        const masks = separate(claims, rules, 0);
        expect(claims.map(({ maskLogits }) => maskLogits)).toEqual(before);
        for (let pixel = 0; pixel < 12; pixel++) {
          const owners = masks.filter((mask) => (mask[pixel] as number) > 0).length;
          const claimed = before.some((mask) => (mask[pixel] as number) > 0);
          expect(owners).toBe(claimed ? 1 : 0);
        }
      }),
    );
  });
});
