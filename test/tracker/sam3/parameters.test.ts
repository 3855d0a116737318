/**
 * Every parameter of SAM 3's detect-and-track step (section 4.2 of the notes on its video pipeline). Each test shows
 * different results of a session just below and just above the value of a parameter, under the presets of both builds. If
 * another parameter switches the rule off, the test switches it on and does not change the parameter under test.
 *
 * `presets.test.ts` compares the values with the table.
 */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../../detector/graph.js";
import { createParts, type TrackerParts } from "../../../tracker/parts.js";
import type { PolicyOverrides } from "../../../tracker/policy.js";
import { admitDetections } from "../../../tracker/sam3/admission.js";
import { clickSam3 } from "../../../tracker/sam3/click.js";
import {
  areaOf,
  bankSizes,
  conditioningOn,
  createTraceBench,
  type Found,
  frame,
  type Rect,
  type Script,
  SIDE,
  type TraceBench,
  upTo,
} from "../trace-bench.js";
import { openTraceSession } from "../trace-session.js";

const A: Rect = [4, 4, 5, 5];
const B: Rect = [12, 12, 5, 5];
const found = (rect: Rect, score = 0.9): Found => ({ rect, score });

/** Two rectangles whose masks have an IoU of exactly 10/100, of 10/95, and of 9/91. */
const atTenth = { a: [0, 0, 6, 10], b: [5, 0, 5, 10] } as const;
const aboveTenth = { a: [0, 0, 5, 11], b: [4, 0, 5, 10] } as const;
const belowTenth = { a: [0, 0, 5, 10], b: [4, 1, 5, 10] } as const;

/** Frames on which the first object is tracked but hidden. */
async function suppressedOn(bench: TraceBench, frames: readonly number[]): Promise<number[]> {
  const hidden: number[] = [];
  for (const index of frames) {
    const { hiding } = await bench.tracker.step(bench.frame(index));
    if (hiding?.suppressed.includes(0)) hidden.push(index);
  }
  return hidden;
}

/** Ids of the current objects that still exist after a pass over the frames. */
async function idsAfter(bench: TraceBench, frames: readonly number[]): Promise<number[]> {
  const known = bench.tracker.objectIds();
  bench.tracker.beginPropagation((frames[0] ?? 0) > (frames.at(-1) ?? 0));
  await bench.visit(frames);
  return bench.tracker.objectIds().filter((id) => known.includes(id));
}

const isBetween = (index: number, first: number, last: number) => index >= first && index <= last;

describe.each(["sam3", "sam3-ablation"] as const)("the parameters of %s", (preset) => {
  const isProduction = preset === "sam3";
  const open = (script: Script, policy: PolicyOverrides = {}) => createTraceBench(script, preset, policy);

  /**
   * Prompts a phrase on frame 5, then runs a backward pass over later frames, on which every object is in hot start under both
   * builds.
   * @returns the ids of the remaining objects
   */
  async function survivorsBackward(
    first: readonly Found[],
    later: readonly Found[],
    policy?: PolicyOverrides,
  ) {
    const bench = open({ detect: (index) => (index === 5 ? first : later) }, policy);
    await bench.promptPhrase(5);
    return idsAfter(bench, upTo(26, 40));
  }

  it("score_threshold_detection: a detection has a score above 0.5", async () => {
    const bench = open({ detect: () => [found(A, 0.5), found(B, 0.501)] });
    const { result } = await bench.promptPhrase(0);
    expect(result.objects.map(({ prob }) => Number(prob.toFixed(3)))).toEqual([0.501]);
  });

  it("det_nms_thresh: of two detections with an IoU above 0.1 one is dropped", async () => {
    const born = async ({ a, b }: { a: Rect; b: Rect }, policy?: PolicyOverrides) => {
      const bench = open({ detect: () => [found(a), found(b, 0.8)] }, policy);
      return (await bench.promptPhrase(0)).result.objects.length;
    };
    expect([await born(atTenth), await born(aboveTenth)]).toEqual([2, 1]);
    expect(await born(aboveTenth, { detect: { detNmsThresh: 0.2 } })).toBe(2);
  });

  it("assoc_iou_thresh: a detection with an IoU of at least 0.1 with a tracked object is not new", async () => {
    const ids = async ({ a, b }: { a: Rect; b: Rect }) => {
      const bench = open({ detect: (index) => [found(index === 0 ? a : b)] });
      await bench.promptPhrase(0);
      return (await bench.visit([1]))[0];
    };
    expect([await ids(atTenth), await ids(belowTenth)]).toEqual([[0], [0, 1]]);
  });

  it("assoc_iou_thresh: of two objects with at least this IoU with one detection, the second is a duplicate", async () => {
    // The second object also has its own detection, which the first one does not overlap.
    const own = (b: Rect): Rect => [b[0] + 1, b[1], b[2] - 1, b[3]];
    const left = ({ a, b }: { a: Rect; b: Rect }) =>
      survivorsBackward([found(a), found(b)], [found(a), found(own(b))]);
    expect([await left(atTenth), await left(belowTenth)]).toEqual([[0], [0, 1]]);
  });

  it("trk_assoc_iou_thresh: an object is supported by a detection with an IoU of at least 0.5", async () => {
    const left = (rect: Rect) => survivorsBackward([found([0, 0, 10, 10])], [found(rect)]);
    expect([await left([0, 0, 10, 5]), await left([0, 0, 7, 7])]).toEqual([[0], []]);
  });

  it("new_det_thresh: beside a tracked object, a new one has a score of at least 0.7", async () => {
    const ids = async (score: number) => {
      const bench = open({ detect: (index) => (index === 0 ? [found(A)] : [found(A), found(B, score)]) });
      await bench.promptPhrase(0);
      return (await bench.visit([1]))[0];
    };
    expect([await ids(0.7), await ids(0.69)]).toEqual([[0, 1], [0]]);
  });

  it("hotstart_delay: a frame is shown after 14 more frames are tracked, in the ablation at once", async () => {
    const { promptPhrase, propagate } = openTraceSession({ detect: () => [found(A)] }, preset, 20);
    await promptPhrase(0);
    expect((await propagate(upTo(19))).lag.slice(0, 5)).toEqual(
      isProduction ? [15, 16, 17, 18, 19] : [1, 2, 3, 4, 5],
    );
  });

  it("hotstart_delay: the hot start of an object has 15 frames, in the ablation none", async () => {
    const left = async (first: number, last: number) => {
      const bench = open({ detect: (index) => (isBetween(index, first, last) ? [] : [found(A)]) });
      await bench.promptPhrase(0);
      return idsAfter(bench, upTo(20));
    };
    // Eight frames without support, of which the last is on frame 14 or 15.
    expect([await left(7, 14), await left(8, 15)]).toEqual(isProduction ? [[], [0]] : [[0], [0]]);
  });

  it("hotstart_delay: the hot start has the same length in a backward pass", async () => {
    const left = async (first: number, last: number) => {
      const bench = open({ detect: (index) => (isBetween(index, last, first) ? [] : [found(A)]) });
      await bench.promptPhrase(20);
      return idsAfter(bench, upTo(0, 19));
    };
    expect([await left(13, 6), await left(12, 5)]).toEqual(isProduction ? [[], [0]] : [[0], [0]]);
  });

  it("hotstart_unmatch_thresh: 8 unsupported frames remove an object in hot start, in the ablation one", async () => {
    const left = async (frames: number) => {
      const detect = (index: number) => (isBetween(index, 41 - frames, 40) ? [] : [found(A)]);
      const bench = open({ detect });
      await bench.promptPhrase(5);
      return idsAfter(bench, upTo(26, 40));
    };
    const kept = [0];
    expect(await Promise.all([0, 1, 7, 8].map(left))).toEqual(
      isProduction ? [kept, kept, kept, []] : [kept, [], [], []],
    );
  });

  it("hotstart_dup_thresh: 8 frames of sharing a detection remove an object in hot start, in the ablation one", async () => {
    const { a, b } = atTenth;
    const alone = [found([0, 0, 5, 10]), found([6, 0, 4, 10])];
    const shared = [found(a), found([6, 0, 4, 10])];
    const left = async (frames: number) => {
      const detect = (index: number) =>
        index === 5 ? [found(a), found(b)] : isBetween(index, 41 - frames, 40) ? shared : alone;
      const bench = open({ detect });
      await bench.promptPhrase(5);
      return idsAfter(bench, upTo(26, 40));
    };
    const kept = [0, 1];
    expect(await Promise.all([0, 1, 7, 8].map(left))).toEqual(
      isProduction ? [kept, kept, kept, [0]] : [kept, [0], [0], [0]],
    );
  });

  describe("the keep-alive credit", () => {
    /** Objects with a credit of 0 or less are hidden, and the hot start removes none of them before. */
    const hidesByCredit: PolicyOverrides = {
      life: {
        suppressUnmatchedOnlyWithinHotstart: false,
        hotstartUnmatchThresh: 15,
        hotstartDupThresh: 15,
      },
    };

    it("suppress_unmatched_only_within_hotstart: hides no object", async () => {
      const script = { detect: (index: number) => (index < 15 ? [found(A)] : []) };
      const hidden = async (policy: PolicyOverrides) => {
        const bench = open(script, policy);
        await bench.promptPhrase(0);
        return (await suppressedOn(bench, upTo(59, 1)))[0];
      };
      expect([await hidden({}), await hidden(hidesByCredit)]).toEqual([undefined, 44]);
    });

    /** The first frame on which the object is hidden because its credit is 0. */
    const firstHiddenFrame = async (
      script: Script,
      isClicked: boolean,
      life: PolicyOverrides["life"] = {},
    ) => {
      const bench = open(script, { life: { ...hidesByCredit.life, ...life } });
      await bench.promptPhrase(0);
      if (isClicked) await bench.click(0, 0);
      return (await suppressedOn(bench, upTo(40, 1)))[0];
    };
    const bornOn = (frame: number): Script => ({ detect: (index) => (index === frame ? [found(A)] : []) });
    const five = { initTrkKeepAlive: 5 };

    it("init_trk_keep_alive: lasts 30 frames for an object that a phrase created", async () => {
      expect([
        await firstHiddenFrame(bornOn(0), false),
        await firstHiddenFrame(bornOn(0), false, five),
      ]).toEqual([30, 5]);
    });

    it("init_trk_keep_alive: lasts 30 frames for an object that appeared later", async () => {
      expect([
        await firstHiddenFrame(bornOn(3), false),
        await firstHiddenFrame(bornOn(3), false, five),
      ]).toEqual([33, 8]);
    });

    it("init_trk_keep_alive: lasts 30 frames for a clicked object", async () => {
      expect([
        await firstHiddenFrame(bornOn(99), true),
        await firstHiddenFrame(bornOn(99), true, five),
      ]).toEqual([30, 5]);
    });

    it("max_trk_keep_alive: is never more than 30", async () => {
      const bench = open({ detect: (index) => (index <= 5 ? [found(A)] : []) }, hidesByCredit);
      await bench.promptPhrase(0);
      expect((await suppressedOn(bench, upTo(40, 1)))[0]).toBe(35);
    });

    it("min_trk_keep_alive: is never less than -1, so that the second supported frame shows an object again", async () => {
      const bench = open({ detect: (index) => (isBetween(index, 1, 40) ? [] : [found(A)]) }, hidesByCredit);
      await bench.promptPhrase(0);
      expect((await suppressedOn(bench, upTo(45, 1))).at(-1)).toBe(41);
    });

    it("decrease_trk_keep_alive_for_empty_masklets: frames without a mask subtract no credit", async () => {
      const script: Script = {
        detect: (index) => (index === 0 ? [found(A)] : []),
        track: (index, rect) => ({ rect: isBetween(index, 2, 40) ? null : rect }),
      };
      const hidden = async (life: PolicyOverrides["life"] & object) => {
        const bench = open(script, { life: { ...hidesByCredit.life, ...life } });
        await bench.promptPhrase(0);
        return suppressedOn(bench, upTo(41, 1));
      };
      expect(await hidden({})).toEqual([]);
      expect(await hidden({ decreaseTrkKeepAliveForEmptyMasklets: true })).toContain(41);
    });
  });

  it("suppress_overlapping…_threshold: of two masks with an IoU of 0.7 one is hidden", async () => {
    const ids = async (wide: Rect, part: Rect, policy?: PolicyOverrides) => {
      const script: Script = {
        detect: (index) => (index === 0 ? [found(A), found(B)] : []),
        track: (index, rect) => {
          const isFirst = rect[0] === A[0];
          // Each was hidden once, the second more recently.
          if (index === (isFirst ? 2 : 3)) return { rect: null };
          return { rect: index < 4 ? rect : isFirst ? wide : part };
        },
      };
      const bench = open(script, policy);
      await bench.promptPhrase(0);
      return (await bench.visit(upTo(4, 1))).at(-1);
    };
    expect(await ids([0, 0, 10, 2], [0, 0, 7, 2])).toEqual([0]);
    expect(await ids([0, 0, 13, 1], [0, 0, 9, 1])).toEqual([0, 1]);
    const off = { overlap: { suppressOverlappingBasedOnRecentOcclusionThreshold: 0 } };
    expect(await ids([0, 0, 10, 2], [0, 0, 10, 2], off)).toEqual([0, 1]);
  });

  it("o2o_matching_masklets_enable: one detection may support two objects", async () => {
    const both = [found([0, 0, 10, 10]), found([0, 0, 10, 9])];
    const left = (associate: PolicyOverrides["associate"] & object) =>
      survivorsBackward(both, [found([0, 0, 10, 10])], {
        detect: { detNmsThresh: 0 },
        life: { hotstartDupThresh: 99 },
        associate,
      });
    expect(await left({})).toEqual([0, 1]);
    expect(await left({ o2oMatchingMaskletsEnable: true })).toEqual([0]);
  });

  it("suppress_det_close_to_boundary: off, and its margin is 0.025 of the frame", async () => {
    const born = async (cx: number, detect: PolicyOverrides["detect"] = {}) => {
      // The rule uses the detector's own box, not that of the mask.
      const bench = open({ detect: () => [{ ...found(A), box: [0, 0.4, 2 * cx, 0.6] }] }, { detect });
      return (await bench.promptPhrase(0)).result.objects.length;
    };
    const on = { suppressDetCloseToBoundary: true };
    expect([await born(0.01), await born(0.024, on), await born(0.026, on)]).toEqual([1, 0, 1]);
  });

  describe("fill_hole_area", () => {
    const whole: Rect = [0, 0, SIDE, SIDE];
    const sixteen: Rect = [1, 1, 16, 1];
    const seventeen: Rect = [1, 1, 17, 1];
    const full = SIDE * SIDE;

    it("fills holes of 16 pixels in tracked masks", async () => {
      const area = async (hole: Rect, policy?: PolicyOverrides) => {
        const script: Script = { detect: () => [found(whole)], track: () => ({ rect: whole, hole }) };
        const bench = open(script, policy);
        await bench.promptPhrase(0);
        const { objects } = await bench.tracker.step(bench.frame(1));
        return areaOf(objects[0]?.maskLogits ?? []);
      };
      expect([await area(sixteen), await area(seventeen)]).toEqual([full, full - 17]);
      expect(await area(sixteen, { mask: { fillHoleArea: 0 } })).toBe(full - 16);
    });

    it("fills holes in the shown mask of a new object, but not in its input mask", async () => {
      const start = async (hole: Rect) => {
        const bench = open({ detect: () => [{ ...found(whole), hole }] });
        const { result } = await bench.promptPhrase(0);
        const seed = bench.calls.find(({ role }) => role === "seed")?.inputs.mask as Tensor;
        return [areaOf(result.objects[0]?.maskLogits ?? []), areaOf(seed.data as Float32Array)];
      };
      expect(await start(sixteen)).toEqual([full, full - 16]);
      expect(await start(seventeen)).toEqual([full - 17, full - 17]);
    });

    it("fills holes in the stored mask of a frame, before masks are compared", async () => {
      const bench = open({ detect: () => [{ ...found(whole), hole: sixteen }] });
      await bench.promptPhrase(0);
      const { objects } = await bench.tracker.step(bench.frame(0));
      const remembered = bench.calls.filter(({ role }) => role === "remember").at(-1)?.inputs.mask as Tensor;
      const areas = [areaOf(objects[0]?.maskLogits ?? []), areaOf(remembered.data as Float32Array)];
      expect(areas).toEqual([full, full]);
    });

    it("fills holes in objects that are tracked without detection", async () => {
      const script: Script = {
        detect: () => [found(whole)],
        track: () => ({ rect: whole, hole: sixteen }),
      };
      const bench = open(script);
      await bench.promptPhrase(0);
      const { objects } = await bench.tracker.step(bench.frame(1), new Set([0]));
      expect(areaOf(objects[0]?.maskLogits ?? [])).toBe(full);
    });
  });

  it("max_num_objects: 10000 objects at once", async () => {
    const { options } = open({ detect: () => [] });
    const parts = createParts(options);
    fill(parts, 9_999);
    const none = { unmatched: [], empty: [], matched: [], confirmed: new Map() };
    const detections = [0.8, 0.9].map((score) => detectionOf(score));
    const first = admitDetections(parts, { ...none, born: [0, 1] }, detections);
    expect([first.admitted.map(({ score }) => score), first.dropped]).toEqual([[0.9], 1]);
    parts.history.visited = [[0, 0]];
    const click = { kind: "object", points: [[0.3, 0.3]], labels: [1] } as const;
    const prompt = { ...click, clearOldPoints: true, clearOldBoxes: true };
    const { objectId } = await clickSam3(parts, frame(0), { ...prompt, objectId: 9_999 });
    expect(objectId).toBe(9_999);
    expect(admitDetections(parts, { ...none, born: [0, 1] }, detections).dropped).toBe(2);
    const rejected = clickSam3(parts, frame(0), { ...prompt, objectId: 10_000 });
    await expect(rejected).rejects.toMatchObject({ code: "object_limit" });
  });

  it("recondition_every_nth_frame: corrects on every 16th frame, in the ablation never", async () => {
    const bench = open({ detect: () => [found(A)] });
    await bench.promptPhrase(0);
    await bench.visit(upTo(33));
    expect(conditioningOn(bench, 33)).toEqual(isProduction ? [0, 16, 32] : [0]);
  });

  it("masklet_confirmation_enable: off; if on, three consecutive detections confirm an object", async () => {
    const unconfirmed = async (frames: number, life: PolicyOverrides["life"] = {}) => {
      const bench = open({ detect: () => [found(A)] }, { life });
      await bench.promptPhrase(0);
      await bench.visit(upTo(frames - 2));
      return (await bench.tracker.step(bench.frame(frames - 1))).hiding?.unconfirmed;
    };
    const on = { maskletConfirmationEnable: true };
    expect([await unconfirmed(2), await unconfirmed(2, on), await unconfirmed(3, on)]).toEqual([[], [0], []]);
  });

  it("masklet_confirmation_enable: off also for clicked objects", async () => {
    const bench = open({ detect: () => [] });
    await bench.promptPhrase(0);
    await bench.click(0, 7);
    expect((await bench.tracker.step(bench.frame(1))).hiding?.unconfirmed).toEqual([]);
  });

  describe("reconditioning by box", () => {
    /** The detection matches the mask of the track but not its box. The pass ends before the first periodic correction. */
    const corrected = async (policy: PolicyOverrides, score = 0.9) => {
      const bench = open({ detect: () => [{ ...found(A, score), box: [0, 0, 0.1, 0.1] }] }, policy);
      await bench.promptPhrase(0);
      await bench.visit(upTo(4, 1));
      return conditioningOn(bench, 4).length > 1;
    };

    it("reconstruction_bbox_iou_thresh: off", async () => {
      expect(await corrected({})).toBe(false);
      expect(await corrected({ recondition: { reconstructionBboxIouThresh: 0.5 } })).toBe(true);
    });

    it("reconstruction_bbox_det_score: requires no minimum score", async () => {
      const on = { reconstructionBboxIouThresh: 0.5, highConfThresh: 0.501 };
      expect(await corrected({ recondition: on }, 0.502)).toBe(true);
      const strict = { ...on, reconstructionBboxDetScore: 0.51 };
      expect(await corrected({ recondition: strict }, 0.502)).toBe(false);
    });
  });

  describe("the detection of a correction", () => {
    /** Whether the detection corrects the track on frame 16, with periodic corrections switched on. */
    const corrected = async (detected: Found, track: { rect: Rect; score?: number }) => {
      const script: Script = {
        detect: (index) => [index === 0 ? found(track.rect) : detected],
        track: () => track,
      };
      const bench = open(script, { recondition: { reconditionEveryNthFrame: 16 } });
      await bench.promptPhrase(0);
      await bench.visit(upTo(17));
      return conditioningOn(bench, 17).includes(16);
    };

    it("high_conf_thresh: has a score of at least 0.8, and the track has a score logit above 0.8", async () => {
      expect([
        await corrected(found(A, 0.8), { rect: A }),
        await corrected(found(A, 0.79), { rect: A }),
        await corrected(found(A), { rect: A, score: 0.81 }),
        await corrected(found(A), { rect: A, score: 0.79 }),
      ]).toEqual([true, false, true, false]);
    });

    it("high_iou_thresh: has an IoU of at least 0.8 with the track", async () => {
      expect(await corrected(found([4, 4, 5, 5]), { rect: [4, 4, 4, 5] })).toBe(true);
      expect(await corrected(found([0, 0, 14, 1]), { rect: [0, 0, 11, 1] })).toBe(false);
    });
  });

  describe("clicks on a tracked frame", () => {
    async function clicked(edit: PolicyOverrides["edit"] = {}) {
      const bench = open({ detect: () => [found(A)] }, { edit });
      await bench.promptPhrase(0);
      await bench.visit(upTo(10));
      const before = bench.calls.length;
      await bench.click(10, 0);
      const roles = bench.calls.slice(before).map(({ role }) => role);
      await bench.visit([11]);
      return { roles, memories: bankSizes(bench).get(11)?.[0] };
    }

    it("use_prev_mem_frame: are decoded without memory", async () => {
      expect((await clicked()).roles).toContain("segment");
      expect((await clicked({ usePrevMemFrame: true })).roles).not.toContain("segment");
    });

    it("use_stateless_refinement: do not drop the memories of the object", async () => {
      expect([
        (await clicked()).memories,
        (await clicked({ useStatelessRefinement: true })).memories,
      ]).toEqual([6, 1]);
    });

    it("refinement_detector_cond_frame_removal_window: demote memories from detections up to 16 frames away", async () => {
      const conditioning = async (index: number) => {
        const bench = open({ detect: () => [found(A)] }, { recondition: { reconditionEveryNthFrame: 16 } });
        await bench.promptPhrase(0);
        await bench.visit(upTo(index));
        await bench.click(index, 0);
        await bench.visit([index + 1]);
        return conditioningOn(bench, index + 1);
      };
      expect([await conditioning(16), await conditioning(17)]).toEqual([[16], [0, 17]]);
    });
  });
});

/** Creates objects without memories. */
function fill({ registry }: TrackerParts, count: number): void {
  for (let index = 0; index < count; index++)
    registry.create({ conceptKey: 0, prob: 1, bornFrame: 0, motion: null, confirmed: true });
}

function detectionOf(score: number) {
  const extent = { box: [0, 0, 1, 1] as const, centre: [0.5, 0.5] as const };
  const bits = { words: new Uint32Array(1), area: 0 };
  return { concepts: new Set([0]), score, maskLogits: new Float32Array(), bits, extent };
}
