/** The conformance traces of SAM 3's video pipeline that concern one frame after another; numbers are the reference's. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../../detector/graph.js";
import type { PolicyOverrides } from "../../../tracker/policy.js";
import {
  areaOf,
  bankSizes,
  type Call,
  conditioningOn,
  createTraceBench,
  type Found,
  type Rect,
  type Script,
  type TraceBench,
  upTo,
} from "../trace-bench.js";

const A: Rect = [4, 4, 5, 5];
const B: Rect = [12, 12, 5, 5];
const C: Rect = [12, 3, 5, 5];
const found = (rect: Rect, score = 0.9): Found => ({ rect, score });

describe("detecting and tracking as SAM 3 does", () => {
  it("asks for more than the detector's threshold only while something is tracked (trace 2)", async () => {
    const script = {
      detect: (frame: number) =>
        frame >= 3 ? [found(A), found(B, 0.55), found(C, 0.65)] : [found(A), found(B, 0.55)],
    };
    const bench = createTraceBench(script, "sam3");
    const { result } = await bench.name(0);
    expect(result.objects.map(({ objectId }) => objectId)).toEqual([0, 1]);
    expect((await bench.visit(upTo(10))).every((ids) => ids.join() === "0,1")).toBe(true);
    const eager = createTraceBench(script, "sam3", { detect: { newDetThresh: 0.65 } });
    await eager.name(0);
    expect((await eager.visit(upTo(3))).at(-1)).toEqual([0, 1, 2]);
    const strict = createTraceBench(script, "sam3", { detect: { scoreThresholdDetection: 0.55 } });
    expect((await strict.name(0)).result.objects.map(({ objectId }) => objectId)).toEqual([0]);
  });

  it.each(["sam3", "masklet", "transformers", "sam3-ablation"] as const)(
    "tracks what a phrase found, under %s",
    async (preset) => {
      const bench = createTraceBench({ detect: () => [found(A), found(B)] }, preset);
      expect((await bench.name(0)).result.objects.map(({ objectId }) => objectId)).toEqual([0, 1]);
      expect((await bench.visit(upTo(20))).every((ids) => ids.join() === "0,1")).toBe(true);
    },
  );

  it("gives ids in the detector's order, not by score", async () => {
    const bench = createTraceBench({ detect: () => [found(B, 0.8), found(A, 0.9)] }, "masklet");
    const { result } = await bench.name(0);
    expect(result.objects.map(({ objectId, prob }) => [objectId, Number(prob.toFixed(1))])).toEqual([
      [0, 0.8],
      [1, 0.9],
    ]);
  });

  it("notes a phrase and makes its objects when the frame is visited, as the port does", async () => {
    const bench = createTraceBench({ detect: () => [found(A)] }, "transformers");
    await bench.name(0);
    expect(bench.tracker.objectIds()).toEqual([]);
    await bench.visit([0]);
    expect(bench.tracker.objectIds()).toEqual([0]);
  });

  it("refuses objects beyond the limit and counts them", async () => {
    const bench = createTraceBench({ detect: () => [found(A, 0.8), found(B, 0.9)] }, "sam3", {
      life: { maxNumObjects: 1 },
    });
    const { result } = await bench.name(0);
    expect(result.stats).toEqual({ tracked: 1, dropped: 1 });
    expect(result.objects.map(({ prob }) => Number(prob.toFixed(1)))).toEqual([0.9]);
    await expect(bench.click(0, 5)).rejects.toMatchObject({ code: "object_limit" });
  });

  it("finds any number of objects in a single picture", async () => {
    const script: Script = { detect: () => [found(A, 0.8), found(B, 0.9)] };
    const bench = createTraceBench(script, "sam3", { life: { maxNumObjects: 1 } }, 1);
    const { result } = await bench.name(0);
    expect(result.stats).toEqual({ tracked: 2, dropped: 0 });
  });
});

describe("reconditioning (trace 5)", () => {
  const wide: Rect = [4, 4, 6, 5];
  const run = async (preset: "sam3" | "transformers", policy: PolicyOverrides = {}) => {
    // The track stays one column narrower than what is detected from frame 1 on.
    const script = {
      detect: (frame: number) => [found(frame === 0 ? A : wide)],
      track: () => ({ rect: A }),
    };
    const bench = createTraceBench(script, preset, policy);
    await bench.name(0);
    await bench.visit(upTo(20));
    return bench;
  };

  it("makes conditioning frames of 0 and 16, remembers the tracked mask softly, and keeps the detection's pointer", async () => {
    const bench = await run("sam3");
    expect(conditioningOn(bench, 17)).toEqual([0, 16]);
    // SAM 3 remembers the frame twice, first sharply from the detection; only the second memory is ever read, and made here.
    const on16 = bench.calls.filter(({ frame }) => frame === 16).map(({ role }) => role);
    expect(on16.filter((role) => ["seed", "remember"].includes(role))).toEqual(["seed", "remember"]);
    const given = bench.calls.find(({ role, frame }) => role === "seed" && frame === 16)?.inputs.mask;
    expect(areaOf(given?.data as Float32Array)).toBe(30);
    const remembered = bench.calls.filter(({ role, frame }) => role === "remember" && frame === 16).at(-1);
    expect(remembered?.inputs.binarize?.data[0]).toBe(0);
    const mask = remembered?.inputs.mask?.data as Float32Array;
    expect(mask.filter((logit) => logit > 0).length).toBe(25);
    const pointers = bench.calls.filter(({ role, frame }) => role === "track" && frame === 17).at(-1)
      ?.inputs.pointers;
    // The scripted pointer of a mask is its area.
    const firsts = Array.from({ length: pointers?.dims[1] ?? 0 }, (_, slot) => pointers?.data[slot * 8]);
    expect(firsts).toContain(30);
  });

  it("shows the tracked mask in SAM 3, the detection's in the port", async () => {
    const areaOn16 = async (preset: "sam3" | "transformers", policy: PolicyOverrides = {}) => {
      const script = {
        detect: (frame: number) => [found(frame === 0 ? A : wide)],
        track: () => ({ rect: A }),
      };
      const bench = createTraceBench(script, preset, policy);
      await bench.name(0);
      await bench.visit(upTo(15));
      const { objects } = await bench.tracker.step(bench.frame(16));
      return objects[0]?.maskLogits.filter((logit) => logit > 0).length;
    };
    expect([await areaOn16("sam3"), await areaOn16("transformers")]).toEqual([25, 30]);
    expect(await areaOn16("sam3", { recondition: { highConfThresh: 0.95 } })).toBe(25);
    const byBox = { reconditionEveryNthFrame: 0, reconstructionBboxIouThresh: 0.9 };
    expect(await areaOn16("sam3", { recondition: byBox })).toBe(30);
  });

  it("stops with the rule's numbers", async () => {
    expect(conditioningOn(await run("sam3", { recondition: { reconditionEveryNthFrame: 10 } }), 20)).toEqual([
      0, 10,
    ]);
    expect(conditioningOn(await run("sam3", { recondition: { highIouThresh: 0.9 } }), 20)).toEqual([0]);
    expect(conditioningOn(await run("sam3", { recondition: { highConfThresh: 0.91 } }), 20)).toEqual([0]);
    expect(conditioningOn(await run("transformers"), 17)).toEqual([0, 16]);
  });
});

describe("what conditions a frame (trace 9)", () => {
  const script = { detect: () => [found(A)] };

  it("grows to seven memories and sixteen pointers, then eight by the second conditioning frame", async () => {
    const bench = createTraceBench(script, "sam3");
    await bench.name(0);
    await bench.visit(upTo(20));
    const sizes = bankSizes(bench);
    expect(upTo(9, 1).map((frame) => sizes.get(frame))).toEqual([
      [1, 1],
      [2, 1],
      [3, 2],
      [4, 3],
      [5, 4],
      [6, 5],
      [7, 6],
      [7, 7],
      [7, 8],
    ]);
    expect([16, 17, 18, 20].map((frame) => sizes.get(frame))).toEqual([
      [7, 15],
      [7, 16],
      [8, 16],
      [8, 16],
    ]);
  });

  it("counts frames, not good looks, without memory selection", async () => {
    const bench = createTraceBench(script, "sam3-ablation");
    await bench.name(0);
    await bench.visit(upTo(9));
    expect(bankSizes(bench).get(3)).toEqual([3, 3]);
  });

  /**
   * The numbers of trace 17 themselves (sines of a distance, position maps, rotations) are made inside `track` and
   * `remember`: a pack's graphs contain them, the server only says how far away and in which place each memory is.
   */
  it("tells the distance of a pointer as a share of the window, which fits the video (trace 17)", async () => {
    const dtOn = async (numFrames: number) => {
      const bench = createTraceBench(script, "sam3", {}, numFrames);
      await bench.name(0);
      await bench.visit(upTo(1));
      return bench.calls.filter(({ role }) => role === "track").at(-1)?.inputs.pointer_dt?.data[0];
    };
    expect(await dtOn(60)).toBeCloseTo(1 / 15);
    expect(await dtOn(5)).toBeCloseTo(1 / 4);
  });

  it("tells every memory its place: conditioning ones the last row, tracked ones their rank (trace 17)", async () => {
    const bench = createTraceBench(script, "sam3", { recondition: { reconditionEveryNthFrame: 0 } });
    await bench.name(0);
    await bench.visit(upTo(20));
    const told = (frame: number) => {
      const { inputs } = bench.calls.find((call) => call.role === "track" && call.frame === frame) as Call;
      const slots = [...((inputs.memory_t as Tensor).data as Int32Array)];
      const frames = slots.map((_, slot) => inputs.memory?.data[slot * 4 + 1] as number);
      const byRow = slots.map((row, slot) => [row, frames[slot]]).sort(([a = 0], [b = 0]) => a - b);
      const distances = [...((inputs.pointer_dt as Tensor).data as Float32Array)].map((dt) =>
        Math.round(dt * 15),
      );
      return { byRow, distances: distances.sort((a, b) => a - b) };
    };
    expect(told(20).byRow).toEqual([
      [0, 19],
      [1, 18],
      [2, 17],
      [3, 16],
      [4, 15],
      [5, 14],
      [6, 0],
    ]);
    // The named frame by its age, the tracked ones by rank; the oldest of those never speaks.
    expect(told(4).distances).toEqual([1, 2, 4]);
    expect(told(20).distances).toEqual([...upTo(14, 1), 20]);
  });

  it("counts by rank past frames on which the object was not to be seen (trace 17)", async () => {
    const gone = (frame: number) => frame === 3 || frame === 4;
    const hidden: Script = { ...script, track: (frame, rect) => ({ rect: gone(frame) ? null : rect }) };
    const bench = createTraceBench(hidden, "sam3");
    await bench.name(0);
    await bench.visit(upTo(6));
    const { inputs } = bench.calls.find(({ role, frame }) => role === "track" && frame === 6) as Call;
    const distances = [...((inputs.pointer_dt as Tensor).data as Float32Array)].map((dt) =>
      Math.round(dt * 15),
    );
    // Frames 5 and 2 are one and two away; frame 1 is the oldest.
    expect(distances.sort((a, b) => a - b)).toEqual([1, 2, 6]);
  });

  it("keeps what a pass backward needs, and no more than the window in a long session", async () => {
    const bench = createTraceBench(script, "masklet", { recondition: { reconditionEveryNthFrame: 0 } });
    await bench.name(30);
    await bench.visit(upTo(59, 30));
    bench.tracker.beginPropagation(true);
    await bench.visit([29]);
    const faithful = createTraceBench(script, "sam3", { recondition: { reconditionEveryNthFrame: 0 } });
    await faithful.name(30);
    await faithful.visit(upTo(59, 30));
    faithful.tracker.beginPropagation(true);
    await faithful.visit([29]);
    expect(bankSizes(bench).get(29)).toEqual(bankSizes(faithful).get(29));
  });
});

describe("removal on the way back (trace 10)", () => {
  const script = { detect: (frame: number) => (frame >= 20 && frame <= 36 ? [found(A)] : []) };
  const run = async (preset: "sam3" | "masklet") => {
    const bench = createTraceBench(script, preset);
    await bench.name(20);
    bench.tracker.beginPropagation(false);
    const forward = await bench.visit(upTo(59, 20));
    bench.tracker.beginPropagation(true);
    await bench.visit([19]);
    return [forward.every((ids) => ids.length === 1), bench.tracker.objectIds()];
  };

  it("holds what was unsupported forward against an object, which masklet does not (quirk 8)", async () => {
    expect(await run("sam3")).toEqual([true, []]);
    expect(await run("masklet")).toEqual([true, [0]]);
  });
});

describe("clicks (trace 8)", () => {
  const script = { detect: () => [found(A)] };
  const segments = ({ calls }: TraceBench) =>
    calls
      .filter(({ role }) => role === "segment")
      .map(({ inputs }) => [inputs.has_mask?.data[0], inputs.labels?.dims[1]]);

  it("condition their frame, and nothing of the detector's within sixteen frames does any longer", async () => {
    const bench = createTraceBench(script, "sam3");
    await bench.name(0);
    await bench.visit(upTo(20));
    await bench.click(10, 0);
    await bench.click(10, 0, [
      [0.3, 0.3],
      [0.4, 0.4],
    ]);
    // The first starts afresh, because frame 16 has spent the masks around it; the second goes on from the first.
    expect(segments(bench)).toEqual([
      [0, 1],
      [1, 2],
    ]);
    await bench.visit([21]);
    expect(conditioningOn(bench, 21)).toEqual([10]);
  });

  it("go on from the known mask of the frame, and leave others of the bucket what they are", async () => {
    const bench = createTraceBench({ detect: () => [found(A), found(B)] }, "sam3");
    await bench.name(0);
    const { result } = await bench.click(0, 0);
    expect(segments(bench)).toEqual([[1, 1]]);
    expect(result.objects.map(({ objectId, prob }) => [objectId, Number(prob.toFixed(1))])).toEqual([
      [0, 1],
      [1, 0.9],
    ]);
    await bench.visit([1]);
    expect(conditioningOn(bench, 1)).toEqual([0, 0]);
  });

  it("move the limits when the policy does", async () => {
    const conditioning = async (overrides: PolicyOverrides) => {
      const bench = createTraceBench(script, "sam3", overrides);
      await bench.name(0);
      await bench.visit(upTo(20));
      await bench.click(10, 0);
      await bench.visit([21]);
      return [conditioningOn(bench, 21), segments(bench)[0]?.[0]];
    };
    expect(await conditioning({ edit: { refinementDetectorCondFrameRemovalWindow: 9 } })).toEqual([
      [0, 10],
      0,
    ]);
    expect(await conditioning({ edit: { refinementDetectorCondFrameRemovalWindow: 5 } })).toEqual([
      [0, 10, 16],
      0,
    ]);
    expect(await conditioning({ edit: { refinementDetectorCondFrameRemovalWindow: 10 } })).toEqual([[10], 0]);
    expect(await conditioning({ sam3Parity: { clearMasksWindow: 5 } })).toEqual([[10], 1]);
  });

  it("spend the masks around a correction in SAM 3, which masklet does not (quirk 16)", async () => {
    const startsFromMask = async (preset: "sam3" | "masklet") => {
      const bench = createTraceBench(script, preset);
      await bench.name(0);
      await bench.visit(upTo(20));
      await bench.click(15, 0);
      return segments(bench)[0]?.[0];
    };
    expect([await startsFromMask("sam3"), await startsFromMask("masklet")]).toEqual([0, 1]);
  });

  it("make a detected object anew where refinement is stateless", async () => {
    const memories = async (useStatelessRefinement: boolean) => {
      const bench = createTraceBench(script, "sam3", { edit: { useStatelessRefinement } });
      await bench.name(0);
      await bench.visit(upTo(20));
      await bench.click(10, 0);
      await bench.visit([21]);
      return bankSizes(bench).get(21)?.[0];
    };
    expect([await memories(true), await memories(false)]).toEqual([1, 7]);
  });

  it("do so once: from then on the object is the user's", async () => {
    const bench = createTraceBench(script, "sam3", { edit: { useStatelessRefinement: true } });
    await bench.name(0);
    await bench.visit(upTo(10));
    for (const index of [10, 11]) {
      await bench.click(index, 0);
      await bench.visit([index + 1]);
    }
    expect(conditioningOn(bench, 12)).toEqual([10, 11]);
  });

  it("are decoded with memory where the policy says so, as the port does", async () => {
    const bench = createTraceBench(script, "transformers");
    await bench.click(0, 3);
    await bench.visit(upTo(2));
    await bench.click(2, 3);
    expect(segments(bench)).toEqual([[0, 1]]);
    const prompted = bench.calls.filter(
      ({ role, inputs }) => role === "track" && inputs.labels?.data[0] === 1,
    );
    expect(prompted.map(({ frame }) => frame)).toEqual([2]);
    const alone = createTraceBench(script, "transformers", { edit: { usePrevMemFrame: false } });
    await alone.click(0, 3);
    await alone.visit(upTo(2));
    await alone.click(2, 3);
    expect(segments(alone)).toHaveLength(2);
  });

  it("take an object back that nobody detects, for good in masklet (quirk 17)", async () => {
    const confirmed = async (preset: "sam3" | "masklet") => {
      const bench = createTraceBench(script, preset, { life: { maskletConfirmationEnable: true } });
      await bench.name(0);
      await bench.visit([0]);
      await bench.click(0, 7);
      const { hiding } = await bench.tracker.step(bench.frame(1));
      return hiding?.unconfirmed;
    };
    expect(await confirmed("sam3")).toContain(7);
    expect(await confirmed("masklet")).not.toContain(7);
  });

  it("stand for the frame in masklet; SAM 3 lets a later correction by the detector replace them", async () => {
    const wide: Rect = [4, 4, 6, 5];
    const run = async (preset: "sam3" | "masklet") => {
      const bench = createTraceBench({ detect: (frame) => [found(frame < 16 ? A : wide)] }, preset);
      await bench.name(0);
      await bench.visit(upTo(20));
      await bench.click(16, 0);
      // A propagation goes over the clicked frame again, and a confident detection fits there.
      await bench.visit(upTo(20));
      const seeds = bench.calls.filter(({ role, frame }) => role === "seed" && frame === 16).length;
      const before = segments(bench).length;
      await bench.click(20, 0);
      await bench.visit([21]);
      return { seeds, clicks: before, keeps16: conditioningOn(bench, 21).includes(16) };
    };
    // Corrected on both passes, and no longer the user's: the next click nearby takes the frame out.
    expect(await run("sam3")).toEqual({ seeds: 2, clicks: 1, keeps16: false });
    expect(await run("masklet")).toEqual({ seeds: 1, clicks: 1, keeps16: true });
  });
});

describe("the port's own ways", () => {
  it("track everybody again on a frame with a birth, and remember them as if they were given", async () => {
    const script = { detect: (frame: number) => (frame >= 3 ? [found(A), found(B)] : [found(A)]) };
    const calls = async (preset: "sam3" | "transformers") => {
      const bench = createTraceBench(script, preset);
      await bench.name(0);
      await bench.visit(upTo(3));
      return bench.calls.filter(({ role, frame }) => role === "remember" && frame === 3).length;
    };
    expect([await calls("sam3"), await calls("transformers")]).toEqual([2, 3]);
  });

  it("cut a new object's mask at half a logit, before it is enlarged", async () => {
    const seeds = async (preset: "sam3" | "transformers", policy: PolicyOverrides = {}) => {
      const bench = createTraceBench({ detect: () => [found(A)] }, preset, policy);
      await bench.name(0);
      await bench.visit([0]);
      const seed = bench.calls.find(({ role }) => role === "seed") as Call;
      return ((seed.inputs.mask as Tensor).data as Float32Array).filter((value) => value > 0).length;
    };
    expect([await seeds("sam3"), await seeds("transformers")]).toEqual([25, 25]);
    expect(await seeds("transformers", { transformersParity: { newObjectLogit: 8.5 } })).toBe(0);
  });
});

describe("box-only sessions (trace 1)", () => {
  const script = { detect: (_: number, hasBox: boolean) => (hasBox ? [found(A)] : []) };
  const run = async (preset: "sam3" | "masklet") => {
    const bench = createTraceBench(script, preset, {}, 20);
    const { result } = await bench.show(0, A);
    await bench.visit(upTo(19));
    return [result.objects.map(({ prob }) => Number(prob.toFixed(1))), bench.tracker.objectIds()];
  };

  it("lose everything in SAM 3, which counts frames on which nobody looked; masklet does not (quirk 3)", async () => {
    expect(await run("sam3")).toEqual([[0.9], []]);
    expect(await run("masklet")).toEqual([[0.9], [0]]);
  });
});

describe("cleaning (trace 16)", () => {
  // Two pieces of two pixels each, two rows apart; or one pixel alone.
  const areaAfter = async (rect: Rect, pieces: Rect[], fillHoleArea: number) => {
    const script = { detect: () => [found(A)], track: () => ({ rect, pieces }) };
    const bench = createTraceBench(script, "sam3", { mask: { fillHoleArea } });
    await bench.name(0);
    const { objects } = await bench.tracker.step(bench.frame(1));
    return areaOf(objects[0]?.maskLogits ?? []);
  };

  it("lets a tracked mask of small equal pieces vanish, and keeps a single pixel", async () => {
    expect(await areaAfter([0, 0, 2, 1], [[0, 2, 2, 1]], 4)).toBe(0);
    expect(await areaAfter([1, 1, 1, 1], [], 4)).toBe(1);
    expect(await areaAfter([0, 0, 2, 1], [[0, 2, 2, 1]], 1)).toBe(4);
    // Of unequal pieces the one that is no more than half goes.
    expect(await areaAfter([0, 0, 3, 1], [[0, 2, 2, 1]], 4)).toBe(3);
  });
});
