import fc from "fast-check";
import { expect, it } from "vitest";
import { type Action, addAction, choosePropagation } from "../../tracker/propagation-mode.js";

const aRequest = fc.oneof(
  fc.record({ do: fc.constant("propagate" as const), startFrame: fc.constantFrom(null, 0, 3, 9) }),
  fc.record({ do: fc.constantFrom("add" as const, "refine" as const, "remove" as const), id: fc.nat(3) }),
);

it("chooses the same modes from a compacted history", () => {
  const rules = { removalEndsTracking: false, showsUnknownFrames: true };
  fc.assert(
    fc.property(
      fc.array(aRequest, { maxLength: 30 }),
      fc.boolean(),
      fc.boolean(),
      fc.integer({ min: 1, max: 6 }),
      (requests, removalEndsTracking, hasConcepts, limit) => {
        let whole: readonly Action[] = [];
        let compacted: readonly Action[] = [];
        const add = (action: Action) => {
          whole = [...whole, action];
          compacted = addAction(compacted, action, limit);
        };
        for (const request of requests) {
          const facts = { numFrames: 10, hasConcepts, isStored: true };
          const plan = choosePropagation({ ...facts, history: whole }, { ...rules, removalEndsTracking });
          expect(
            choosePropagation({ ...facts, history: compacted }, { ...rules, removalEndsTracking }),
          ).toEqual(plan);
          if (request.do === "propagate")
            add({ kind: plan.mode, frameIndex: request.startFrame, objectIds: plan.objectIds });
          else add({ kind: request.do, frameIndex: 1, objectIds: [request.id] });
        }
        // Two propagations, four edited objects, one removal; or up to the limit.
        expect(compacted.length).toBeLessThanOrEqual(Math.max(limit, 7));
      },
    ),
    { numRuns: 300 },
  );
});
