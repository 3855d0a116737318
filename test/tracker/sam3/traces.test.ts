/** The conformance traces of SAM 3's video pipeline on consecutive frames. The expected numbers were recorded from SAM 3. */
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
  it("requires new_det_thresh of new objects only while objects are tracked (trace 2)", async () => {
    const script = {
      detect: (frame: number) =>
        frame >= 3 ? [found(A), found(B, 0.55), found(C, 0.65)] : [found(A), found(B, 0.55)],
    };
    const bench = createTraceBench(script, "sam3");
    const { result } = await bench.promptPhrase(0);
    expect(result.objects.map(({ objectId }) => objectId)).toEqual([0, 1]);
    expect((await bench.visit(upTo(10))).every((ids) => ids.join() === "0,1")).toBe(true);
    const eager = createTraceBench(script, "sam3", { detect: { newDetThresh: 0.65 } });
    await eager.promptPhrase(0);
    expect((await eager.visit(upTo(3))).at(-1)).toEqual([0, 1, 2]);
    const strict = createTraceBench(script, "sam3", { detect: { scoreThresholdDetection: 0.55 } });
    expect((await strict.promptPhrase(0)).result.objects.map(({ objectId }) => objectId)).toEqual([0]);
  });

  it.each(["sam3", "masklet", "transformers", "sam3-ablation"] as const)(
    "tracks the objects of a phrase, under %s",
    async (preset) => {
      const bench = createTraceBench({ detect: () => [found(A), found(B)] }, preset);
      expect((await bench.promptPhrase(0)).result.objects.map(({ objectId }) => objectId)).toEqual([0, 1]);
      expect((await bench.visit(upTo(20))).every((ids) => ids.join() === "0,1")).toBe(true);
    },
  );

  it("assigns ids in the order of the detector's rows, not by score", async () => {
    const bench = createTraceBench({ detect: () => [found(B, 0.8), found(A, 0.9)] }, "masklet");
    const { result } = await bench.promptPhrase(0);
    expect(result.objects.map(({ objectId, prob }) => [objectId, Number(prob.toFixed(1))])).toEqual([
      [0, 0.8],
      [1, 0.9],
    ]);
  });

  it("creates the objects of a phrase when a propagation visits the frame, as the port does", async () => {
    const bench = createTraceBench({ detect: () => [found(A)] }, "transformers");
    await bench.promptPhrase(0);
    expect(bench.tracker.objectIds()).toEqual([]);
    await bench.visit([0]);
    expect(bench.tracker.objectIds()).toEqual([0]);
  });

  it("rejects objects beyond the limit and counts them", async () => {
    const bench = createTraceBench({ detect: () => [found(A, 0.8), found(B, 0.9)] }, "sam3", {
      life: { maxNumObjects: 1 },
    });
    const { result } = await bench.promptPhrase(0);
    expect(result.stats).toEqual({ tracked: 1, dropped: 1 });
    expect(result.objects.map(({ prob }) => Number(prob.toFixed(1)))).toEqual([0.9]);
    await expect(bench.click(0, 5)).rejects.toMatchObject({ code: "object_limit" });
  });

  it("does not limit the number of objects in a single image", async () => {
    const script: Script = { detect: () => [found(A, 0.8), found(B, 0.9)] };
    const bench = createTraceBench(script, "sam3", { life: { maxNumObjects: 1 } }, 1);
    const { result } = await bench.promptPhrase(0);
    expect(result.stats).toEqual({ tracked: 2, dropped: 0 });
  });
});

describe("reconditioning (trace 5)", () => {
  const wide: Rect = [4, 4, 6, 5];
  const run = async (preset: "sam3" | "transformers", policy: PolicyOverrides = {}) => {
    // The track stays one column narrower than the detections from frame 1 on.
    const script = {
      detect: (frame: number) => [found(frame === 0 ? A : wide)],
      track: () => ({ rect: A }),
    };
    const bench = createTraceBench(script, preset, policy);
    await bench.promptPhrase(0);
    await bench.visit(upTo(20));
    return bench;
  };

  it("conditions on frames 0 and 16, with the memory of the tracked mask and the pointer of the detection", async () => {
    const bench = await run("sam3");
    expect(conditioningOn(bench, 17)).toEqual([0, 16]);
    // SAM 3 encodes the frame twice, first the detection with binarization. It reads only the second memory, so only that one
    // is computed here.
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

  it("shows the tracked mask in SAM 3, and the mask of the detection in the port", async () => {
    const areaOn16 = async (preset: "sam3" | "transformers", policy: PolicyOverrides = {}) => {
      const script = {
        detect: (frame: number) => [found(frame === 0 ? A : wide)],
        track: () => ({ rect: A }),
      };
      const bench = createTraceBench(script, preset, policy);
      await bench.promptPhrase(0);
      await bench.visit(upTo(15));
      const { objects } = await bench.tracker.step(bench.frame(16));
      return objects[0]?.maskLogits.filter((logit) => logit > 0).length;
    };
    expect([await areaOn16("sam3"), await areaOn16("transformers")]).toEqual([25, 30]);
    expect(await areaOn16("sam3", { recondition: { highConfThresh: 0.95 } })).toBe(25);
    const byBox = { reconditionEveryNthFrame: 0, reconstructionBboxIouThresh: 0.9 };
    expect(await areaOn16("sam3", { recondition: byBox })).toBe(30);
  });

  it("depends on the parameters of the rule", async () => {
    expect(conditioningOn(await run("sam3", { recondition: { reconditionEveryNthFrame: 10 } }), 20)).toEqual([
      0, 10,
    ]);
    expect(conditioningOn(await run("sam3", { recondition: { highIouThresh: 0.9 } }), 20)).toEqual([0]);
    expect(conditioningOn(await run("sam3", { recondition: { highConfThresh: 0.91 } }), 20)).toEqual([0]);
    expect(conditioningOn(await run("transformers"), 17)).toEqual([0, 16]);
  });
});

describe("the memories that condition a frame (trace 9)", () => {
  const script = { detect: () => [found(A)] };

  it("grow to seven memories and sixteen pointers, and to eight memories with the second conditioning frame", async () => {
    const bench = createTraceBench(script, "sam3");
    await bench.promptPhrase(0);
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

  it("have pointers of all previous frames without memory selection", async () => {
    const bench = createTraceBench(script, "sam3-ablation");
    await bench.promptPhrase(0);
    await bench.visit(upTo(9));
    expect(bankSizes(bench).get(3)).toEqual([3, 3]);
  });

  /**
   * The encodings of trace 17 (sines of a distance, position maps, rotations) are computed inside the graphs `track` and
   * `remember`. The inputs of `track` contain only the distance of each pointer and the temporal row of each memory.
   */
  it("have pointer distances as shares of the window, which fits the video (trace 17)", async () => {
    const dtOn = async (numFrames: number) => {
      const bench = createTraceBench(script, "sam3", {}, numFrames);
      await bench.promptPhrase(0);
      await bench.visit(upTo(1));
      return bench.calls.filter(({ role }) => role === "track").at(-1)?.inputs.pointer_dt?.data[0];
    };
    expect(await dtOn(60)).toBeCloseTo(1 / 15);
    expect(await dtOn(5)).toBeCloseTo(1 / 4);
  });

  it("have temporal rows: the last row for conditioning frames, the rank for tracked ones (trace 17)", async () => {
    const bench = createTraceBench(script, "sam3", { recondition: { reconditionEveryNthFrame: 0 } });
    await bench.promptPhrase(0);
    await bench.visit(upTo(20));
    const inputsOn = (frame: number) => {
      const { inputs } = bench.calls.find((call) => call.role === "track" && call.frame === frame) as Call;
      const slots = [...((inputs.memory_t as Tensor).data as Int32Array)];
      const frames = slots.map((_, slot) => inputs.memory?.data[slot * 4 + 1] as number);
      const byRow = slots.map((row, slot) => [row, frames[slot]]).sort(([a = 0], [b = 0]) => a - b);
      const distances = [...((inputs.pointer_dt as Tensor).data as Float32Array)].map((dt) =>
        Math.round(dt * 15),
      );
      return { byRow, distances: distances.sort((a, b) => a - b) };
    };
    expect(inputsOn(20).byRow).toEqual([
      [0, 19],
      [1, 18],
      [2, 17],
      [3, 16],
      [4, 15],
      [5, 14],
      [6, 0],
    ]);
    // The prompted frame has its distance, the tracked frames have their ranks. The pointer of the oldest one is not used.
    expect(inputsOn(4).distances).toEqual([1, 2, 4]);
    expect(inputsOn(20).distances).toEqual([...upTo(14, 1), 20]);
  });

  it("have ranks that skip frames on which the object was not visible (trace 17)", async () => {
    const gone = (frame: number) => frame === 3 || frame === 4;
    const hidden: Script = { ...script, track: (frame, rect) => ({ rect: gone(frame) ? null : rect }) };
    const bench = createTraceBench(hidden, "sam3");
    await bench.promptPhrase(0);
    await bench.visit(upTo(6));
    const { inputs } = bench.calls.find(({ role, frame }) => role === "track" && frame === 6) as Call;
    const distances = [...((inputs.pointer_dt as Tensor).data as Float32Array)].map((dt) =>
      Math.round(dt * 15),
    );
    // Frames 5 and 2 have the ranks 1 and 2. Frame 1 is the oldest, and its pointer is not used.
    expect(distances.sort((a, b) => a - b)).toEqual([1, 2, 6]);
  });

  it("include those that a backward pass needs when only windows of memories are kept", async () => {
    const bench = createTraceBench(script, "masklet", { recondition: { reconditionEveryNthFrame: 0 } });
    await bench.promptPhrase(30);
    await bench.visit(upTo(59, 30));
    bench.tracker.beginPropagation(true);
    await bench.visit([29]);
    const unbounded = createTraceBench(script, "sam3", { recondition: { reconditionEveryNthFrame: 0 } });
    await unbounded.promptPhrase(30);
    await unbounded.visit(upTo(59, 30));
    unbounded.tracker.beginPropagation(true);
    await unbounded.visit([29]);
    expect(bankSizes(bench).get(29)).toEqual(bankSizes(unbounded).get(29));
  });
});

describe("removal in the backward pass (trace 10)", () => {
  const script = { detect: (frame: number) => (frame >= 20 && frame <= 36 ? [found(A)] : []) };
  const run = async (preset: "sam3" | "masklet") => {
    const bench = createTraceBench(script, preset);
    await bench.promptPhrase(20);
    bench.tracker.beginPropagation(false);
    const forward = await bench.visit(upTo(59, 20));
    bench.tracker.beginPropagation(true);
    await bench.visit([19]);
    return [forward.every((ids) => ids.length === 1), bench.tracker.objectIds()];
  };

  it("counts the unsupported frames of the forward pass in sam3, and not in masklet (quirk 8)", async () => {
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

  it("make their frame a conditioning frame, and demote memories from detections within sixteen frames", async () => {
    const bench = createTraceBench(script, "sam3");
    await bench.promptPhrase(0);
    await bench.visit(upTo(20));
    await bench.click(10, 0);
    await bench.click(10, 0, [
      [0.3, 0.3],
      [0.4, 0.4],
    ]);
    // The first click refines no mask, because the correction on frame 16 cleared the masks around it. The second click
    // refines the mask of the first.
    expect(segments(bench)).toEqual([
      [0, 1],
      [1, 2],
    ]);
    await bench.visit([21]);
    expect(conditioningOn(bench, 21)).toEqual([10]);
  });

  it("refine the stored mask of the frame, and do not change the other objects of the bucket", async () => {
    const bench = createTraceBench({ detect: () => [found(A), found(B)] }, "sam3");
    await bench.promptPhrase(0);
    const { result } = await bench.click(0, 0);
    expect(segments(bench)).toEqual([[1, 1]]);
    expect(result.objects.map(({ objectId, prob }) => [objectId, Number(prob.toFixed(1))])).toEqual([
      [0, 1],
      [1, 0.9],
    ]);
    await bench.visit([1]);
    expect(conditioningOn(bench, 1)).toEqual([0, 0]);
  });

  it("depend on the windows of the policy", async () => {
    const conditioning = async (overrides: PolicyOverrides) => {
      const bench = createTraceBench(script, "sam3", overrides);
      await bench.promptPhrase(0);
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

  it("do not refine masks near a correction in SAM 3, and do so in masklet (quirk 16)", async () => {
    const startsFromMask = async (preset: "sam3" | "masklet") => {
      const bench = createTraceBench(script, preset);
      await bench.promptPhrase(0);
      await bench.visit(upTo(20));
      await bench.click(15, 0);
      return segments(bench)[0]?.[0];
    };
    expect([await startsFromMask("sam3"), await startsFromMask("masklet")]).toEqual([0, 1]);
  });

  it("create a detected object again when refinement is stateless", async () => {
    const memories = async (useStatelessRefinement: boolean) => {
      const bench = createTraceBench(script, "sam3", { edit: { useStatelessRefinement } });
      await bench.promptPhrase(0);
      await bench.visit(upTo(20));
      await bench.click(10, 0);
      await bench.visit([21]);
      return bankSizes(bench).get(21)?.[0];
    };
    expect([await memories(true), await memories(false)]).toEqual([1, 7]);
  });

  it("create it again only once: later clicks correct it", async () => {
    const bench = createTraceBench(script, "sam3", { edit: { useStatelessRefinement: true } });
    await bench.promptPhrase(0);
    await bench.visit(upTo(10));
    for (const index of [10, 11]) {
      await bench.click(index, 0);
      await bench.visit([index + 1]);
    }
    expect(conditioningOn(bench, 12)).toEqual([10, 11]);
  });

  it("are decoded with memory by the policy, as in the port", async () => {
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

  it("confirm an object without a detection in masklet, and not in SAM 3 (quirk 17)", async () => {
    const confirmed = async (preset: "sam3" | "masklet") => {
      const bench = createTraceBench(script, preset, { life: { maskletConfirmationEnable: true } });
      await bench.promptPhrase(0);
      await bench.visit([0]);
      await bench.click(0, 7);
      const { hiding } = await bench.tracker.step(bench.frame(1));
      return hiding?.unconfirmed;
    };
    expect(await confirmed("sam3")).toContain(7);
    expect(await confirmed("masklet")).not.toContain(7);
  });

  it("stay in masklet; in SAM 3 a later correction by a detection replaces them", async () => {
    const wide: Rect = [4, 4, 6, 5];
    const run = async (preset: "sam3" | "masklet") => {
      const bench = createTraceBench({ detect: (frame) => [found(frame < 16 ? A : wide)] }, preset);
      await bench.promptPhrase(0);
      await bench.visit(upTo(20));
      await bench.click(16, 0);
      // A propagation visits the clicked frame again, on which a confident detection matches the object.
      await bench.visit(upTo(20));
      const seeds = bench.calls.filter(({ role, frame }) => role === "seed" && frame === 16).length;
      const before = segments(bench).length;
      await bench.click(20, 0);
      await bench.visit([21]);
      return { seeds, clicks: before, keeps16: conditioningOn(bench, 21).includes(16) };
    };
    // In SAM 3, both passes correct the frame. It is then no prompted frame, so the next click near it demotes it.
    expect(await run("sam3")).toEqual({ seeds: 2, clicks: 1, keeps16: false });
    expect(await run("masklet")).toEqual({ seeds: 1, clicks: 1, keeps16: true });
  });
});

describe("the differences of the port", () => {
  it("remember all tracked objects again, as input masks, on a frame that creates an object", async () => {
    const script = { detect: (frame: number) => (frame >= 3 ? [found(A), found(B)] : [found(A)]) };
    const calls = async (preset: "sam3" | "transformers") => {
      const bench = createTraceBench(script, preset);
      await bench.promptPhrase(0);
      await bench.visit(upTo(3));
      return bench.calls.filter(({ role, frame }) => role === "remember" && frame === 3).length;
    };
    expect([await calls("sam3"), await calls("transformers")]).toEqual([2, 3]);
  });

  it("threshold the mask of a new object at a logit of 0.5, before it is enlarged", async () => {
    const seeds = async (preset: "sam3" | "transformers", policy: PolicyOverrides = {}) => {
      const bench = createTraceBench({ detect: () => [found(A)] }, preset, policy);
      await bench.promptPhrase(0);
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
    const { result } = await bench.promptBox(0, A);
    await bench.visit(upTo(19));
    return [result.objects.map(({ prob }) => Number(prob.toFixed(1))), bench.tracker.objectIds()];
  };

  it("lose their objects in SAM 3, which counts frames without detection as unsupported; not in masklet (quirk 3)", async () => {
    expect(await run("sam3")).toEqual([[0.9], []]);
    expect(await run("masklet")).toEqual([[0.9], [0]]);
  });
});

describe("cleaning (trace 16)", () => {
  // Two pieces of two pixels each, two rows apart; or one pixel alone.
  const areaAfter = async (rect: Rect, pieces: Rect[], fillHoleArea: number) => {
    const script = { detect: () => [found(A)], track: () => ({ rect, pieces }) };
    const bench = createTraceBench(script, "sam3", { mask: { fillHoleArea } });
    await bench.promptPhrase(0);
    const { objects } = await bench.tracker.step(bench.frame(1));
    return areaOf(objects[0]?.maskLogits ?? []);
  };

  it("removes all pixels of a tracked mask of small equal pieces, and keeps a mask of one pixel", async () => {
    expect(await areaAfter([0, 0, 2, 1], [[0, 2, 2, 1]], 4)).toBe(0);
    expect(await areaAfter([1, 1, 1, 1], [], 4)).toBe(1);
    expect(await areaAfter([0, 0, 2, 1], [[0, 2, 2, 1]], 1)).toBe(4);
    // Of unequal pieces, one with at most half of the pixels is removed.
    expect(await areaAfter([0, 0, 3, 1], [[0, 2, 2, 1]], 4)).toBe(3);
  });
});
