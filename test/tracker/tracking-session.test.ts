/** SAM 3's conformance traces of whole propagations, on a tracking session over scripted graphs. */
import { describe, expect, it } from "vitest";
import { decodeMask } from "../../protocol/rle.js";
import type { FrameOutput } from "../../server/engine/engine.js";
import type { PolicyOverrides } from "../../tracker/policy.js";
import type { PresetName } from "../../tracker/presets.js";
import { type Found, frame, type Rect, type Script, SIDE, upTo } from "./trace-bench.js";
import { idsOf, openTraceSession as open } from "./trace-session.js";

const A: Rect = [4, 4, 5, 5];
const B: Rect = [12, 12, 5, 5];
const found = (rect: Rect, score = 0.9): Found => ({ rect, score });
const always = { detect: () => [found(A)] };

describe("the delay of the output", () => {
  it("shows frame f after frame f+14, and the rest at the end", async () => {
    const { promptPhrase, propagate } = open(always, "sam3", 20);
    await promptPhrase(0);
    const { frames, lag } = await propagate(upTo(19));
    expect(frames).toEqual(upTo(19));
    expect(lag.slice(0, 6)).toEqual([15, 16, 17, 18, 19, 20]);
    expect(lag.slice(6).every((at) => at === 20)).toBe(true);
  });

  it("has the length of the policy; with 0, frames are shown at once", async () => {
    const lags = async (hotstartDelay: number) => {
      const life = { hotstartDelay, hotstartUnmatchThresh: 1, hotstartDupThresh: 1 };
      const { promptPhrase, propagate } = open(always, "sam3", 5, { life });
      await promptPhrase(0);
      return (await propagate(upTo(4))).lag;
    };
    expect([await lags(0), await lags(3)]).toEqual([
      [1, 2, 3, 4, 5],
      [3, 4, 5, 5, 5],
    ]);
  });

  it("leaves a removed object out of every waiting frame (trace 1)", async () => {
    const boxed = { detect: (_: number, hasBox: boolean) => (hasBox ? [found(A)] : []) };
    const run = async (numFrames: number, preset: PresetName = "sam3") => {
      const { promptBox, propagate } = open(boxed, preset, numFrames);
      const { output } = await promptBox(0, A);
      expect([idsOf(output), output.objects[0]?.prob]).toEqual([[0], expect.closeTo(0.9)]);
      return (await propagate(upTo(numFrames - 1))).ids.filter((ids) => ids.length > 0).length;
    };
    expect([await run(20), await run(8), await run(20, "masklet")]).toEqual([0, 8, 20]);
  });

  it("hides objects that are not confirmed two frames later", async () => {
    const late = { detect: (index: number) => (index === 0 || index >= 3 ? [found(A)] : []) };
    const { promptPhrase, propagate } = open(late, "sam3", 10, { life: { maskletConfirmationEnable: true } });
    await promptPhrase(0);
    const { ids } = await propagate(upTo(9));
    // The third detection in a row is on frame 5.
    expect(ids.findIndex((shown) => shown.length > 0)).toBe(3);
  });
});

describe("propagation modes (trace 3)", () => {
  it("are full for the first two propagations, and fetch for a third one", async () => {
    const { promptPhrase, propagate, modes, countModelCalls } = open(always, "sam3", 12);
    await promptPhrase(5);
    expect((await propagate(upTo(11, 5))).frames).toEqual(upTo(11, 5));
    expect((await propagate(upTo(0, 4))).frames).toEqual(upTo(0, 4));
    expect(modes()).toEqual(["full", "full"]);
    const before = countModelCalls();
    const { frames, ids } = await propagate(upTo(11));
    expect([frames, ids.every((list) => list.join() === "0")]).toEqual([upTo(11), true]);
    expect([modes().at(-1), countModelCalls()]).toEqual(["fetch", before]);
  });

  it("are full and then fetch when the first propagation starts at an end of the video", async () => {
    const { promptPhrase, propagate, modes } = open(always, "sam3", 12);
    await promptPhrase(0);
    await propagate(upTo(11), 0);
    await propagate(upTo(11), 0);
    expect(modes()).toEqual(["full", "fetch"]);
  });

  it("show no objects on unvisited frames after early ends in sam3; masklet visits these frames (trace 4)", async () => {
    const run = async (preset: PresetName) => {
      const { promptPhrase, propagate } = open(always, preset, 12);
      await promptPhrase(5);
      await propagate(upTo(8, 5), 5);
      await propagate(upTo(2, 4), 5);
      return (await propagate(upTo(11, 2))).ids.map((ids) => ids.length);
    };
    expect(await run("sam3")).toEqual([1, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
    expect((await run("masklet")).every((count) => count === 1)).toBe(true);
  });

  it("are fetch in sam3 and full in masklet when an object is removed before the first propagation (trace 6, quirk 5)", async () => {
    const two = { detect: () => [found(A), found(B)] };
    const run = async (preset: PresetName) => {
      const { promptPhrase, session, propagate, modes } = open(two, preset, 6);
      await promptPhrase(0);
      expect(session.removeObject(0)).toBe(true);
      return [(await propagate(upTo(5))).ids.map((ids) => ids.includes(1)), modes().at(-1)];
    };
    expect(await run("sam3")).toEqual([[true, false, false, false, false, false], "fetch"]);
    expect(await run("masklet")).toEqual([Array(6).fill(true), "full"]);
  });

  it("leave a removed object out of visited frames without running the model", async () => {
    const { promptPhrase, session, propagate, countModelCalls } = open(
      { detect: () => [found(A), found(B)] },
      "sam3",
      6,
    );
    await promptPhrase(0);
    await propagate(upTo(5));
    const before = countModelCalls();
    session.removeObject(0);
    expect((await propagate(upTo(5))).ids.every((ids) => ids.join() === "1")).toBe(true);
    expect(countModelCalls()).toBe(before);
  });

  it("are partial twice after a correction: only the corrected object is tracked again (trace 8)", async () => {
    const { promptPhrase, click, propagate, session, modes } = open(
      { detect: () => [found(A), found(B)] },
      "sam3",
      20,
    );
    await promptPhrase(0);
    await propagate(upTo(19));
    await click(10, 0);
    const { ids } = await propagate(upTo(19, 10));
    expect(ids.every((list) => list.join() === "0,1")).toBe(true);
    await propagate(upTo(0, 9));
    expect(modes()).toEqual(["full", "refine", "partial", "partial"]);
    expect(session.history.slice(2).map(({ objectIds }) => objectIds)).toEqual([[0], [0]]);
  });
});

describe("clicks (trace 7, quirk 4)", () => {
  it("are rejected on an unvisited frame under sam3, without the side effects of SAM 3 itself", async () => {
    const { click, session, tracker, modes } = open(always, "sam3", 6);
    await expect(click(0, 3)).rejects.toMatchObject({ code: "nothing_prompted" });
    expect([tracker.objectIds(), modes(), session.describe().objectIds]).toEqual([[], [], []]);
  });

  it("create an object on an unvisited frame under masklet", async () => {
    const { click, propagate, modes } = open(always, "masklet", 6);
    const { output } = await click(0, 3);
    expect(output.objects.map(({ objectId, prob }) => [objectId, prob])).toEqual([[3, 1]]);
    expect((await propagate(upTo(5))).ids).toEqual(Array(6).fill([3]));
    expect(modes()).toEqual(["add", "partial"]);
  });

  it("create an object on a frame on which a phrase was prompted", async () => {
    const { promptPhrase, click } = open({ detect: () => [found(B)] }, "sam3", 6);
    await promptPhrase(0);
    const { output } = await click(0, 7);
    expect(output.objects.map(({ objectId, prob }) => [objectId, Number(prob.toFixed(1))])).toEqual([
      [0, 0.9],
      [7, 1],
    ]);
  });

  it("keep the stored masks of objects that they leave out, and make no frame visited", async () => {
    const { promptPhrase, click, propagate, session } = open({ detect: () => [found(B)] }, "masklet", 6);
    await promptPhrase(0);
    await propagate(upTo(3));
    expect(idsOf((await click(3, 7, true)).output)).toContain(7);
    expect(idsOf(session.fetch(3))).toEqual([0, 7]);
    await click(5, 7, true);
    expect(idsOf(session.fetch(5))).toEqual([]);
  });

  it("return a mask that is cleaned at the size of the video", async () => {
    // The video is twice as wide as the masks: a hole of 9 pixels has 18 there, and one of 8 has 16.
    const shownArea = async (hole: Rect, policy?: PolicyOverrides) => {
      const segment = () => ({ rect: [0, 0, SIDE, SIDE] as const, hole });
      const { promptPhrase, click } = open({ detect: () => [], segment }, "sam3", 6, policy);
      await promptPhrase(0);
      const { output } = await click(0, 7);
      const [object] = output.objects;
      return object && [decodeMask(object.mask).data.filter((bit) => bit).length, object.boxXywh[2]];
    };
    const width = 39 / 40;
    expect(await shownArea([1, 1, 8, 1])).toEqual([800, width]);
    expect(await shownArea([1, 1, 9, 1])).toEqual([800 - 18, width]);
    expect(await shownArea([1, 1, 9, 1], { mask: { fillHoleArea: 18 } })).toEqual([800, width]);
    expect(await shownArea([1, 1, 8, 1], { mask: { fillHoleArea: 0 } })).toEqual([800 - 16, width]);
  });

  it("return a mask without specks, and the box of that mask", async () => {
    const segment = () => ({ rect: [0, 0, SIDE, SIDE] as const, hole: [10, 0, 9, SIDE] as const });
    const { promptPhrase, click } = open({ detect: () => [], segment }, "sam3", 6, {
      mask: { fillHoleArea: 40 },
    });
    await promptPhrase(0);
    const { output } = await click(0, 7);
    expect(output.objects[0]?.boxXywh).toEqual([0, 0, 19 / 40, 19 / 20]);
  });

  it("create objects during a running propagation", async () => {
    const { click, session } = open(always, "masklet", 6);
    await click(0, 3);
    await session.beginPropagation({ reverse: false, firstFrame: 0, lastFrame: 5, startFrame: null });
    await session.step(frame(0));
    await click(1, 4);
    expect((await session.step(frame(1))).map(idsOf)).toEqual([[3, 4]]);
  });
});

it("detects a phrase that is prompted during a propagation of clicked objects", async () => {
  const { promptPhrase, click, session } = open({ detect: () => [found(B)] }, "masklet", 6, {
    life: { hotstartDelay: 0, hotstartUnmatchThresh: 0, hotstartDupThresh: 0 },
  });
  await click(0, 3);
  await session.beginPropagation({ reverse: false, firstFrame: 0, lastFrame: 5, startFrame: null });
  expect((await session.step(frame(0))).map(idsOf)).toEqual([[3]]);
  await promptPhrase(1);
  expect((await session.step(frame(1))).map(idsOf)).toEqual([[3, 4]]);
});

describe("the assignment of pixels (trace 11)", () => {
  const whole: Rect = [0, 0, SIDE, SIDE];
  const script: Script = { detect: () => [found(whole), found(A)] };
  const areas = ({ objects }: FrameOutput) =>
    objects.map(({ objectId, mask }) => [objectId, decodeMask(mask).data.filter((bit) => bit).length]);

  it("uses boxes with the last pixel as their edge in sam3, and exclusive edges in masklet", async () => {
    const lone = open({ detect: () => [found(whole)] }, "sam3", 6);
    const { output } = await lone.promptPhrase(0);
    expect(output.objects[0]?.boxXywh).toEqual([0, 0, 39 / 40, 19 / 20]);
    const shown = open({ detect: () => [found(whole)] }, "masklet", 6);
    expect((await shown.promptPhrase(0)).output.objects[0]?.boxXywh).toEqual([0, 0, 1, 1]);
  });

  it("removes pixels of the less probable object; sam3 returns an object without pixels, masklet does not", async () => {
    const run = async (preset: PresetName, probs: [number, number]) => {
      const found0 = found(whole, probs[0]);
      const nms = { detect: { detNmsThresh: 0 } };
      const { promptPhrase } = open(
        { ...script, detect: () => [found0, found(A, probs[1])] },
        preset,
        6,
        nms,
      );
      return (await promptPhrase(0)).output;
    };
    expect(areas(await run("sam3", [0.8, 0.9]))).toEqual([
      [0, 800 - 50],
      [1, 50],
    ]);
    const covered = await run("sam3", [0.9, 0.8]);
    expect(areas(covered)).toEqual([
      [0, 800],
      [1, 0],
    ]);
    expect(covered.objects[1]?.boxXywh).toEqual([8 / 40, 4 / 20, 9 / 40, 4 / 20]);
    expect(areas(await run("masklet", [0.9, 0.8]))).toEqual([[0, 800]]);
  });
});
