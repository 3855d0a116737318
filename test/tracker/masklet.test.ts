import { describe, expect, it } from "vitest";
import { createMemoryBank } from "../../memory/bank.js";
import {
  createMasklet,
  isShown,
  keepPrompt,
  MAX_LOST_FRAMES,
  MAX_PROMPTED_FRAMES,
  type Masklet,
  startPass,
  updateLifecycle,
} from "../../tracker/masklet.js";
import { presets } from "../../tracker/presets.js";

const life = presets.compact.life;

function masklet(conceptKey: number | null = 0): Masklet {
  const bank = createMemoryBank({ recent: 6, pointers: 15, conditioning: 8, reconditioned: 3 });
  return createMasklet(
    { id: 0, conceptKey, prob: 0.9, bornFrame: 0, bank, motion: null, confirmed: true },
    life,
  );
}

/**
 * Updates the life cycle with one frame per character: "D" detected, "t" tracked without a detection, "." without a mask,
 * "?" tracked on a frame on which the detector did not run.
 * @returns whether the object is kept
 */
function runLifecycle(subject: Masklet, frames: string, first = 1): boolean {
  return [...frames].every((sign, index) =>
    updateLifecycle(
      subject,
      {
        frameIndex: first + index,
        visible: sign !== ".",
        searched: sign !== "?",
        detected: sign === "D",
        confident: sign === "D",
      },
      life,
    ),
  );
}

describe("the life of a detected object", () => {
  it("ends when it is mostly not detected while on probation", () => {
    expect(runLifecycle(masklet(), "ttttttt")).toBe(true);
    expect(runLifecycle(masklet(), "tttttttt")).toBe(false);
    expect(runLifecycle(masklet(), "DtDtDtDtDtDtDtt")).toBe(true);
  });

  it("does not end without detections later, while hidden, or on frames without detection", () => {
    expect(runLifecycle(masklet(), `${"D".repeat(15)}${"t".repeat(40)}`)).toBe(true);
    expect(runLifecycle(masklet(), "DD............")).toBe(true);
    expect(runLifecycle(masklet(), "??????????????")).toBe(true);
  });

  it("is not on probation again in a second pass", () => {
    const subject = masklet();
    runLifecycle(subject, "DDD");
    startPass(subject, null, false, life);
    expect(runLifecycle(subject, "tttttttttttt")).toBe(true);
  });

  it("is hidden after many unsupported frames, until a detection supports it", () => {
    const subject = masklet();
    runLifecycle(subject, "D".repeat(15));
    runLifecycle(subject, "t".repeat(life.initTrkKeepAlive - 1));
    expect(isShown(subject, life)).toBe(true);
    runLifecycle(subject, "t");
    expect(isShown(subject, life)).toBe(false);
    expect(isShown(subject, { ...life, suppressUnmatchedOnlyWithinHotstart: true })).toBe(true);
    runLifecycle(subject, "D");
    expect(isShown(subject, life)).toBe(true);
  });

  it("becomes dormant after a long absence, and is searched for again in the next pass", () => {
    const subject = masklet();
    runLifecycle(subject, "D");
    runLifecycle(subject, ".".repeat(MAX_LOST_FRAMES));
    expect(subject.state).toBe("lost");
    runLifecycle(subject, ".");
    expect(subject.state).toBe("dormant");
    startPass(subject, null, false, life);
    expect(subject.state).toBe("lost");
  });

  it("is shown after confirmFrames detections with a sufficient score", () => {
    const strict = { ...life, confirmFrames: 2 };
    const subject = { ...masklet(), confirmed: false };
    expect(isShown(subject, strict)).toBe(false);
    const facts = { frameIndex: 1, visible: true, searched: true, detected: true };
    updateLifecycle(subject, { ...facts, confident: false }, strict);
    expect(isShown(subject, strict)).toBe(false);
    updateLifecycle(subject, { ...facts, confident: true }, strict);
    expect(isShown(subject, strict)).toBe(true);
  });
});

describe("the life of an object created by clicks", () => {
  it("ends only when the user removes it", () => {
    const subject = masklet(null);
    expect(runLifecycle(subject, "t".repeat(40))).toBe(true);
    expect(isShown(subject, life)).toBe(true);
    runLifecycle(subject, ".".repeat(MAX_LOST_FRAMES + 1));
    expect(subject.state).toBe("lost");
  });

  it("keeps the clicks of a bounded number of frames, those that were prompted last", () => {
    const subject = masklet(null);
    const prompt = { points: [], labels: [] };
    for (let frame = 0; frame <= MAX_PROMPTED_FRAMES; frame++) keepPrompt(subject, frame, prompt);
    keepPrompt(subject, 1, prompt);
    keepPrompt(subject, 1000, prompt);
    expect(subject.prompts.size).toBe(MAX_PROMPTED_FRAMES);
    expect([0, 1, 2, 1000].map((frame) => subject.prompts.has(frame))).toEqual([false, true, false, true]);
  });

  it("is not shown once the user removed it", () => {
    expect(isShown({ ...masklet(), excluded: true }, life)).toBe(false);
  });
});
