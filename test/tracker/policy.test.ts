import { expect, it } from "vitest";
import { shouldRecondition } from "../../tracker/motion/recondition.js";
import { presets } from "../../tracker/presets.js";
import { resolvePolicy } from "../../tracker/resolve-policy.js";

it("combines the preset, then the manifest, then overrides", () => {
  const detect = { scoreThreshold: 0.4, nmsIou: 0.3, newObjectScore: 0.6 };
  const policy = resolvePolicy({
    detect,
    overrides: { detect: { detNmsThresh: 0.2 }, life: { maxNumObjects: 3 } },
  });
  expect(policy.detect).toMatchObject({
    scoreThresholdDetection: 0.4,
    detNmsThresh: 0.2,
    newDetThresh: 0.6,
  });
  expect(policy.life).toEqual({ ...presets.masklet.life, maxNumObjects: 3 });
  expect(resolvePolicy()).toEqual(presets.masklet);
  expect(resolvePolicy({ preset: "sam3", memoryPrecision: "float32" }).memory.precision).toBe("float32");
  expect(resolvePolicy({ preset: "transformers", detect }).detect.detNmsThresh).toBe(0);
});

it("is frozen, so that no part of a session can change it", () => {
  const policy = resolvePolicy({ overrides: { life: { maxNumObjects: 3 } } });
  expect(Object.isFrozen(policy) && Object.values(policy).every(Object.isFrozen)).toBe(true);
  expect(Object.values(presets).every((preset) => Object.values(preset).every(Object.isFrozen))).toBe(true);
});

it("reconditions on every n-th frame when a confident detection agrees, and after a pause when it disagrees", () => {
  const rules = {
    ...presets.masklet.recondition,
    reconditionEveryNthFrame: 16,
    highConfThresh: 0.8,
    highIouThresh: 0.8,
  };
  const decide = (frameIndex: number, maskIou: number, detectionScore = 0.9, lastFrame = 0) =>
    shouldRecondition({ frameIndex, maskIou, detectionScore, lastFrame }, rules, 0.5);
  expect([decide(16, 0.9), decide(17, 0.9), decide(16, 0.7), decide(16, 0.9, 0.7)]).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect([decide(20, 0.1), decide(20, 0.1, 0.9, 15), decide(20, 0.1, 0.7)]).toEqual([true, false, false]);
  expect(
    shouldRecondition(
      { frameIndex: 16, maskIou: 0.9, detectionScore: 0.9, lastFrame: 0 },
      { ...rules, reconditionEveryNthFrame: 0 },
      0.5,
    ),
  ).toBe(false);
});
