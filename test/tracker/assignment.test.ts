import fc from "fast-check";
import { expect, it } from "vitest";
import { assignBest } from "../../tracker/assignment.js";

/** The largest total weight, by exhaustive search. */
function bestTotal(weights: readonly (readonly number[])[], row = 0, taken: readonly number[] = []): number {
  if (row === weights.length) return 0;
  let best = bestTotal(weights, row + 1, taken);
  weights[row]?.forEach((weight, column) => {
    if (weight > 0 && !taken.includes(column)) {
      best = Math.max(best, weight + bestTotal(weights, row + 1, [...taken, column]));
    }
  });
  return best;
}

const matrix = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }))
  .chain(([rows, columns]) => {
    const weight = fc.oneof(fc.constant(0), fc.integer({ min: -5, max: 20 }));
    return fc.array(fc.array(weight, { minLength: columns, maxLength: columns }), {
      minLength: rows,
      maxLength: rows,
    });
  });

it("finds an assignment with the same total as exhaustive search, and assigns no pair with a weight of 0 or less", () => {
  fc.assert(
    fc.property(matrix, (weights) => {
      const columns = assignBest(weights);
      const used = columns.filter((column) => column >= 0);
      expect(new Set(used).size).toBe(used.length);
      const total = columns.reduce((sum, column, row) => {
        if (column < 0) return sum;
        expect(weights[row]?.[column]).toBeGreaterThan(0);
        return sum + (weights[row]?.[column] as number);
      }, 0);
      expect(total).toBe(bestTotal(weights));
    }),
  );
});

it("assigns nothing without columns", () => {
  expect(assignBest([])).toEqual([]);
  expect(assignBest([[], []])).toEqual([-1, -1]);
});
