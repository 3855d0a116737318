import { describe, expect, it } from "vitest";
import { MAX_LOST_FRAMES } from "../../tracker/masklet.js";
import type { StepResult } from "../../tracker/report.js";
import { type Bench, createBench, createWorld, type Instance, kinds, SIDE } from "./scripted-world.js";

type Box = readonly [number, number, number, number];

function instance(
  label: number,
  kind: keyof typeof kinds,
  box: Box,
  present = (_frame: number) => true,
): Instance {
  return { label, kind: kinds[kind] as number, at: (frame) => (present(frame) ? box : null) };
}

/** An instance that moves right by one pixel every second frame. */
function slider(label: number, kind: keyof typeof kinds, [x, y, w, h]: Box): Instance {
  return { label, kind: kinds[kind] as number, at: (frame) => [x + Math.floor(frame / 2), y, w, h] };
}

const near = (x: number, y: number) => [(x + 0.5) / SIDE, (y + 0.5) / SIDE] as const;

function promptPhrase(bench: Bench, frame: number, text: string, replace = false) {
  return bench.tracker.prompt(bench.frame(frame), { kind: "concept", text, replace });
}

function click(
  bench: Bench,
  frame: number,
  points: readonly (readonly [number, number])[],
  more: { objectId?: number; labels?: (0 | 1)[]; clearOldPoints?: boolean; leavesOutOthers?: boolean } = {},
) {
  const labels = more.labels ?? points.map(() => 1 as const);
  const object = more.objectId === undefined ? {} : { objectId: more.objectId };
  const clearOldPoints = more.clearOldPoints ?? true;
  return bench.tracker.prompt(bench.frame(frame), {
    kind: "object",
    ...object,
    points,
    labels,
    clearOldPoints,
    clearOldBoxes: true,
    leavesOutOthers: more.leavesOutOthers ?? false,
  });
}

const ids = (result: StepResult) => result.objects.map(({ objectId }) => objectId);
const idsByFrame = (shown: Map<number, StepResult>) =>
  [...shown].map(([frame, result]) => [frame, ids(result)]);
const callsOf = (bench: Bench, role: string) => bench.calls.filter((call) => call.role === role);

describe("detecting objects by a phrase", () => {
  it("creates an object for every instance on the prompted frame and tracks it", async () => {
    const bench = createBench(
      createWorld([
        slider(1, "ball", [2, 2, 6, 6]),
        slider(2, "ball", [2, 20, 6, 6]),
        slider(3, "box", [2, 32, 6, 6]),
      ]),
    );
    const { result, objectId } = await promptPhrase(bench, 0, "ball");
    expect([bench.labels(0, result), objectId]).toEqual([{ 0: 1, 1: 2 }, undefined]);
    expect(result.objects[0]?.prob).toBeCloseTo(0.95);
    expect(result.stats).toEqual({ tracked: 2, dropped: 0 });
    for (const [frame, later] of await bench.run(0, 12))
      expect(bench.labels(frame, later)).toEqual({ 0: 1, 1: 2 });
  });

  it("gives objects that appear later their own ids, once they are confident on three frames", async () => {
    const bench = createBench(
      createWorld([
        instance(1, "ball", [2, 2, 6, 6]),
        instance(2, "ball", [20, 20, 6, 6], (frame) => frame >= 4),
      ]),
    );
    await promptPhrase(bench, 0, "ball");
    const shown = await bench.run(0, 8);
    expect([ids(shown.get(5) as StepResult), ids(shown.get(6) as StepResult)]).toEqual([[0], [0, 1]]);
    expect(bench.labels(8, shown.get(8) as StepResult)).toEqual({ 0: 1, 1: 2 });
  });

  it("uses a lower threshold on the prompted frame than on later ones", async () => {
    const world = createWorld([
      instance(1, "ball", [2, 2, 6, 6]),
      instance(2, "ball", [20, 20, 6, 6], (frame) => frame >= 2),
    ]);
    world.scores = new Map([
      [1, 0.55],
      [2, 0.65],
    ]);
    const bench = createBench(world);
    await promptPhrase(bench, 0, "ball");
    expect(idsByFrame(await bench.run(0, 8)).at(-1)).toEqual([8, [0]]);
  });

  it("returns no objects for an absent concept, and continues to detect it", async () => {
    const bench = createBench(
      createWorld([
        instance(1, "ball", [2, 2, 6, 6]),
        instance(2, "cone", [20, 20, 6, 6], (frame) => frame >= 3),
      ]),
    );
    expect((await promptPhrase(bench, 0, "cone")).result.objects).toEqual([]);
    expect(idsByFrame(await bench.run(0, 5))).toEqual([
      [0, []],
      [1, []],
      [2, []],
      [3, []],
      [4, []],
      [5, [0]],
    ]);
  });

  it("accumulates phrases, and creates one object for an instance of two phrases", async () => {
    const bench = createBench(
      createWorld([instance(1, "ball", [2, 2, 6, 6]), instance(2, "box", [20, 20, 6, 6])]),
    );
    await promptPhrase(bench, 0, "ball");
    await promptPhrase(bench, 0, "orb");
    const { result } = await promptPhrase(bench, 0, "box");
    expect(bench.labels(0, result)).toEqual({ 0: 1, 1: 2 });
    expect(bench.tracker.concepts()).toEqual(["ball", "orb", "box"]);
    expect(idsByFrame(await bench.run(0, 2)).at(-1)).toEqual([2, [0, 1]]);
    const last = callsOf(bench, "detect").at(-1);
    expect(last?.inputs.text?.dims[0]).toBe(3);
  });

  it("replaces phrases and their objects on request, and never reuses an id", async () => {
    const bench = createBench(
      createWorld([instance(1, "ball", [2, 2, 6, 6]), instance(2, "box", [20, 20, 6, 6])]),
    );
    await promptPhrase(bench, 0, "ball");
    const { result } = await promptPhrase(bench, 0, "box", true);
    expect(bench.labels(0, result)).toEqual({ 1: 2 });
    expect([bench.tracker.concepts(), bench.tracker.objectIds()]).toEqual([["box"], [1]]);
  });

  it("deletes an object that was detected on one frame only", async () => {
    const world = createWorld([instance(1, "ball", [2, 2, 6, 6])]);
    const bench = createBench(world);
    await promptPhrase(bench, 0, "ball");
    world.scores.set(1, 0.1);
    await bench.run(1, 20);
    expect(bench.tracker.objectIds()).toEqual([]);
  });

  it("decodes detected masks again when they are new, corrections or replacements, and not while tracking", async () => {
    const drawnBy = async (redrawnIou: number, frames: number) => {
      const bench = createBench(createWorld([instance(1, "ball", [2, 2, 6, 6])]), {
        mask: { redrawnIou },
        recondition: { reconditionEveryNthFrame: 5 },
      });
      await promptPhrase(bench, 0, "ball");
      await bench.run(1, frames);
      return callsOf(bench, "segment").map(({ inputs }) => [...(inputs.labels?.data ?? [])]);
    };
    expect(await drawnBy(0.5, 4)).toEqual([[2, 3]]);
    expect(await drawnBy(0.5, 11)).toHaveLength(3);
    expect(await drawnBy(0, 11)).toEqual([]);
  });

  it("corrects memory with a confident detection on every n-th frame", async () => {
    const bench = createBench(createWorld([instance(1, "ball", [2, 2, 6, 6])]), {
      recondition: { reconditionEveryNthFrame: 5 },
    });
    await promptPhrase(bench, 0, "ball");
    await bench.run(1, 11);
    const binarized = callsOf(bench, "remember").map(({ inputs }) => inputs.binarize?.data[0]);
    // The prompted frame, then frames 1 to 11.
    expect(binarized).toEqual([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]);
  });

  it("does not correct memory with a detection that another object may cut", async () => {
    const touching = [instance(1, "ball", [2, 2, 6, 6]), instance(2, "ball", [8, 2, 6, 6])];
    const bench = createBench(createWorld(touching), { recondition: { reconditionEveryNthFrame: 5 } });
    await promptPhrase(bench, 0, "ball");
    await bench.run(1, 11);
    const later = callsOf(bench, "remember").slice(1);
    expect(later.some(({ inputs }) => inputs.binarize?.data.includes(1))).toBe(false);
  });

  it("computes a new pointer when a detection replaces the tracked mask", async () => {
    // The two balls move towards each other. The track of the occluded one covers the one in front until its next detection.
    const instances = [-1, 1].map((side, index) => ({
      label: index + 1,
      kind: kinds.ball as number,
      at: (frame: number) => [16 + side * (14 - frame), 16, 8, 8] as const,
    }));
    const bench = createBench(createWorld(instances), { recondition: { reconditionEveryNthFrame: 0 } });
    await promptPhrase(bench, 0, "ball");
    await bench.run(0, 8);
    expect(callsOf(bench, "seed")).toHaveLength(1);
    await bench.run(9, 27);
    expect(callsOf(bench, "seed").length).toBeGreaterThan(1);
  });

  it("shows a hidden object neither in a pass nor in the result of another prompt on that frame", async () => {
    const instances = [-1, 1].map((side, index) => ({
      label: index + 1,
      kind: kinds.ball as number,
      at: (frame: number) => [16 + side * (14 - frame), 16, 8, 8] as const,
    }));
    const bench = createBench(createWorld([...instances, instance(3, "box", [2, 32, 6, 6])]));
    await promptPhrase(bench, 0, "ball");
    const middle = (await bench.run(0, 14)).get(14) as StepResult;
    expect(ids(middle)).toHaveLength(1);
    expect(ids((await promptPhrase(bench, 14, "box")).result)).toEqual([...ids(middle), 2]);
  });

  it("cleans masks of specks and holes", async () => {
    const bench = createBench(
      createWorld([instance(1, "ball", [2, 2, 8, 8]), instance(2, "box", [5, 5, 1, 1])]),
      {
        mask: { speckShare: 0.002 },
      },
    );
    const area = (result: StepResult) => result.objects[0]?.maskLogits.filter((logit) => logit > 0).length;
    expect(area((await promptPhrase(bench, 0, "ball")).result)).toBe(64);
    expect(area((await bench.run(1, 1)).get(1) as StepResult)).toBe(64);
    bench.tracker.reset();
    expect(area((await click(bench, 0, [near(3, 3)])).result)).toBe(64);
    expect(area((await bench.run(1, 1)).get(1) as StepResult)).toBe(64);
  });
});

describe("detecting objects by exemplar boxes", () => {
  const promptBoxes = (bench: Bench, frame: number, boxes: Box[], labels: (0 | 1)[]) =>
    bench.tracker.prompt(bench.frame(frame), {
      kind: "concept",
      exemplars: {
        boxesXywh: boxes.map(([x, y, w, h]) => [x / SIDE, y / SIDE, w / SIDE, h / SIDE] as const),
        labels,
      },
      replace: false,
    });

  it("detects all instances like the box, and on later frames those like its objects", async () => {
    const bench = createBench(
      createWorld([
        instance(1, "ball", [2, 2, 6, 6]),
        instance(2, "ball", [20, 2, 6, 6]),
        instance(3, "box", [2, 20, 6, 6]),
        instance(4, "ball", [20, 20, 6, 6], (frame) => frame >= 3),
      ]),
    );
    const { result } = await promptBoxes(bench, 0, [[1, 1, 8, 8]], [1]);
    expect(bench.labels(0, result)).toEqual({ 0: 1, 1: 2 });
    expect(bench.tracker.concepts()).toEqual(["visual"]);
    const last = (await bench.run(0, 5)).get(5) as StepResult;
    expect(bench.labels(5, last)).toEqual({ 0: 1, 1: 2, 2: 4 });
  });

  it("uses a few of its objects as exemplars, for any number of objects", async () => {
    const many = [0, 1, 2, 3, 4].map((i) => instance(i + 1, "ball", [2 + 7 * i, 2, 5, 5]));
    const bench = createBench(createWorld(many), { detect: { selfExemplars: 2 } });
    await promptBoxes(bench, 0, [[1, 1, 7, 7]], [1]);
    await bench.run(1, 1);
    expect(callsOf(bench, "detect").at(-1)?.inputs.boxes?.dims).toEqual([1, 2, 4]);
  });

  it("leaves out the instance in a negative box", async () => {
    const bench = createBench(
      createWorld([instance(1, "ball", [2, 2, 6, 6]), instance(2, "ball", [20, 2, 6, 6])]),
    );
    const boxes: Box[] = [
      [1, 1, 8, 8],
      [19, 1, 8, 8],
    ];
    expect(bench.labels(0, (await promptBoxes(bench, 0, boxes, [1, 0])).result)).toEqual({ 0: 1 });
  });

  it("creates an object for a box without a detection, and does not count it as unsupported", async () => {
    const world = createWorld([instance(1, "ball", [2, 2, 6, 6])]);
    world.scores.set(1, 0.1);
    const bench = createBench(world);
    const { result } = await promptBoxes(bench, 0, [[1, 1, 8, 8]], [1]);
    expect(bench.labels(0, result)).toEqual({ 0: 1 });
    expect(idsByFrame(await bench.run(1, 20)).at(-1)).toEqual([20, [0]]);
  });
});

describe("prompting one object", () => {
  it("needs no earlier propagation, and no detector", async () => {
    const bench = createBench(
      createWorld([slider(1, "ball", [2, 2, 6, 6]), slider(2, "box", [2, 20, 6, 6])]),
    );
    const { result, objectId } = await click(bench, 0, [near(4, 4)]);
    expect([bench.labels(0, result), objectId, result.objects[0]?.prob]).toEqual([{ 0: 1 }, 0, 1]);
    for (const [frame, later] of await bench.run(0, 10)) expect(bench.labels(frame, later)).toEqual({ 0: 1 });
    expect(callsOf(bench, "detect")).toEqual([]);
    expect(callsOf(bench, "encode").some(({ fetch }) => fetch.includes("trunk"))).toBe(false);
  });

  it("accepts a box, as corners, and the id of the client", async () => {
    const bench = createBench(createWorld([instance(1, "ball", [2, 2, 6, 6])]));
    const { result, objectId } = await bench.tracker.prompt(bench.frame(0), {
      kind: "object",
      objectId: 7,
      points: [],
      labels: [],
      boxXywh: [0, 0, 0.25, 0.25],
      clearOldPoints: true,
      clearOldBoxes: true,
    });
    expect([bench.labels(0, result), objectId]).toEqual([{ 7: 1 }, 7]);
    expect([...(callsOf(bench, "segment")[0]?.inputs.labels?.data ?? [])]).toEqual([2, 3]);
    expect((await click(bench, 0, [near(30, 30)])).objectId).toBe(8);
  });

  it("refines the current mask on a second click, and adds to the clicks on request", async () => {
    const bench = createBench(
      createWorld([instance(1, "ball", [2, 2, 6, 6]), instance(2, "box", [12, 2, 6, 6])]),
    );
    await click(bench, 0, [near(4, 4)]);
    const { result } = await click(bench, 0, [near(14, 4)], { objectId: 0, clearOldPoints: false });
    const covered = result.objects[0]?.maskLogits.filter((logit) => logit > 0).length;
    expect(covered).toBe(72);
    const [, second] = callsOf(bench, "segment");
    // The box of the mask, and both clicks.
    expect([second?.inputs.points?.dims, second?.inputs.has_mask?.data[0]]).toEqual([[1, 4, 2], 1]);
    const { result: less } = await click(bench, 0, [near(4, 4), near(14, 4), near(4, 4)], {
      objectId: 0,
      labels: [1, 1, 0],
    });
    expect(bench.labels(0, less)).toEqual({ 0: 2 });
  });

  it("leaves out the others and does not track them to the frame, on request", async () => {
    const world = createWorld(
      [0, 1, 2, 3].map((row) => slider(row + 1, row < 3 ? "ball" : "box", [2, 2 + 9 * row, 6, 6])),
    );
    const clickLast = async (leavesOutOthers: boolean) => {
      const bench = createBench(world);
      for (const row of [0, 1, 2]) await click(bench, 0, [near(4, 4 + 9 * row)]);
      await bench.tracker.prompt(bench.frame(6), {
        ...{ kind: "object", objectId: 1, points: [near(7, 13)], labels: [1] },
        ...{ clearOldPoints: true, clearOldBoxes: true, leavesOutOthers },
      });
      bench.calls.length = 0;
      const { result } = await click(bench, 6, [near(7, 31)], { leavesOutOthers });
      return { bench, result, tracked: callsOf(bench, "track").length };
    };
    const all = await clickLast(false);
    const own = await clickLast(true);
    const states = ({ result }: typeof own) => result.states?.map(({ objectId }) => objectId);
    const masks = ({ result }: typeof own) =>
      new Map(result.objects.map((one) => [one.objectId, one.maskLogits]));
    expect([ids(all.result), states(all), all.tracked > 0]).toEqual([[0, 1, 2, 3], [0, 1, 2, 3], true]);
    expect([ids(own.result), states(own), own.tracked]).toEqual([[3], [3], 0]);
    expect(masks(own).get(3)).toEqual(masks(all).get(3));
    // The next frames are those of a prompt that tracks the others.
    expect(idsByFrame(await own.bench.run(6, 9))).toEqual(idsByFrame(await all.bench.run(6, 9)));
  });

  it("corrects the mask of an object on a later frame, which later frames follow", async () => {
    const bench = createBench(
      createWorld([slider(1, "ball", [2, 2, 6, 6]), slider(2, "box", [2, 20, 6, 6])]),
    );
    await click(bench, 0, [near(4, 4)]);
    await bench.run(0, 6);
    const { result } = await click(bench, 4, [near(6, 22), near(6, 4)], { objectId: 0, labels: [1, 0] });
    expect(bench.labels(4, result)).toEqual({ 0: 2 });
    expect(callsOf(bench, "segment").at(-1)?.inputs.has_mask?.data[0]).toBe(1);
    const shown = await bench.run(4, 10);
    for (const [frame, later] of shown) expect(bench.labels(frame, later)).toEqual({ 0: 2 });
  });

  it("shows nothing while the object is absent, and the same id when it returns", async () => {
    const bench = createBench(
      createWorld([instance(1, "ball", [2, 2, 6, 6], (frame) => frame < 4 || frame > 9)]),
    );
    await click(bench, 0, [near(4, 4)]);
    const shown = await bench.run(0, 12);
    expect(idsByFrame(shown).map(([, shownIds]) => (shownIds as number[]).length)).toEqual([
      1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1,
    ]);
    // Frames without the object are not remembered: the memories are still those of frames 0 to 3.
    const track = callsOf(bench, "track").findLast(({ inputs }) => inputs.memory?.dims[1] === 4);
    expect([...(track?.inputs.memory_t?.data ?? [])].sort()).toEqual([0, 1, 2, 6]);
  });

  it("remembers absence as SAM 2 does, if configured", async () => {
    const bench = createBench(createWorld([instance(1, "ball", [2, 2, 6, 6], (frame) => frame < 2)]), {
      memory: { seenWithin: null },
    });
    await click(bench, 0, [near(4, 4)]);
    await bench.run(0, 4);
    const scores = callsOf(bench, "remember").map(({ inputs }) => inputs.score?.data[0]);
    expect(scores).toEqual([10, 10, -10, -10, -10]);
  });

  it("is not duplicated, changed or deleted because of detections", async () => {
    const world = createWorld([slider(1, "ball", [2, 2, 6, 6]), slider(2, "ball", [2, 20, 6, 6])]);
    const bench = createBench(world);
    await click(bench, 0, [near(4, 4)]);
    const { result } = await promptPhrase(bench, 0, "ball");
    expect(bench.labels(0, result)).toEqual({ 0: 1, 1: 2 });
    await bench.run(0, 3);
    world.scores.set(1, 0.1).set(2, 0.1);
    const last = (await bench.run(4, 24)).get(24) as StepResult;
    expect(bench.labels(24, last)).toMatchObject({ 0: 1 });
    expect(bench.tracker.objectIds()).toEqual(expect.arrayContaining([0]));
  });

  it("is not associated with a lost detected object nearby", async () => {
    const gone = instance(1, "ball", [2, 2, 6, 6], (frame) => frame < 3);
    const bench = createBench(createWorld([gone, instance(2, "ball", [10, 2, 6, 6])]));
    await click(bench, 0, [near(12, 4)]);
    const { result } = await promptPhrase(bench, 0, "ball");
    expect(bench.labels(0, result)).toEqual({ 0: 2, 1: 1 });
    const last = (await bench.run(0, 6)).get(6) as StepResult;
    expect(bench.labels(6, last)).toEqual({ 0: 2 });
  });

  it("demotes detector-made conditioning frames near a correction", async () => {
    const bench = createBench(createWorld([instance(1, "ball", [2, 2, 6, 6])]));
    await promptPhrase(bench, 0, "ball");
    await bench.run(1, 3);
    await click(bench, 4, [near(4, 4)], { objectId: 0 });
    await bench.run(5, 5);
    // Of the birth on frame 0 and the click on frame 4 only the click is left.
    expect([...(callsOf(bench, "track").at(-1)?.inputs.memory_t?.data ?? [])]).toEqual([6]);
  });

  it("makes a detected object owned by the user", async () => {
    const world = createWorld([instance(1, "ball", [2, 2, 6, 6])]);
    const bench = createBench(world);
    await promptPhrase(bench, 0, "ball");
    const { result } = await click(bench, 0, [near(4, 4)], { objectId: 0 });
    expect(result.objects.map(({ objectId, prob }) => [objectId, prob])).toEqual([[0, 1]]);
    world.scores.set(1, 0.1);
    expect(idsByFrame(await bench.run(1, 20)).at(-1)).toEqual([20, [0]]);
  });
});

describe("propagation", () => {
  it("runs backward from the prompted frame, with temporal rows in that direction", async () => {
    const bench = createBench(createWorld([slider(1, "ball", [2, 2, 6, 6])]));
    await click(bench, 10, [near(8, 4)]);
    const shown = await bench.run(9, 0);
    expect([...shown.keys()]).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    for (const [frame, result] of shown) expect(bench.labels(frame, result)).toEqual({ 0: 1 });
    const last = callsOf(bench, "track").at(-1)?.inputs;
    expect([...(last?.memory_t?.data ?? [])].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(
      [...(last?.pointer_dt?.data ?? [])].map((dt) => Math.round(dt * 15)).sort((a, b) => a - b),
    ).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("covers the whole clip both ways from a middle frame, with the same ids", async () => {
    const bench = createBench(
      createWorld([slider(1, "ball", [2, 2, 6, 6]), slider(2, "ball", [2, 20, 6, 6])]),
    );
    await promptPhrase(bench, 6, "ball");
    const forward = await bench.run(6, 12);
    const backward = await bench.run(5, 0);
    for (const [frame, result] of [...forward, ...backward])
      expect(bench.labels(frame, result)).toEqual({ 0: 1, 1: 2 });
  });

  it("tracks dormant objects again in the other direction", async () => {
    const bench = createBench(createWorld([instance(1, "ball", [2, 2, 6, 6], (frame) => frame < 8)]));
    await promptPhrase(bench, 5, "ball");
    const last = 8 + MAX_LOST_FRAMES;
    const shown = await bench.run(5, last);
    expect([last - 1, last].map((index) => shown.get(index)?.stats.tracked)).toEqual([1, 0]);
    expect(idsByFrame(await bench.run(4, 0)).at(-1)).toEqual([0, [0]]);
  });

  it("tracks an object on frames before its prompt without pointers, because no pointer is from a past frame", async () => {
    const bench = createBench(createWorld([instance(1, "ball", [2, 2, 6, 6])]));
    await click(bench, 5, [near(4, 4)]);
    const shown = await bench.run(3, 3);
    expect(bench.labels(3, shown.get(3) as StepResult)).toEqual({ 0: 1 });
    expect(callsOf(bench, "track")[0]?.inputs.pointers?.dims).toEqual([1, 0, 16]);
  });

  it("shows the prompted frame as returned by the prompt, and encodes it once", async () => {
    const bench = createBench(createWorld([instance(1, "ball", [2, 2, 6, 6])]));
    const { result } = await click(bench, 0, [near(4, 4)]);
    const first = (await bench.run(0, 0)).get(0) as StepResult;
    expect(first.objects[0]?.maskLogits).toEqual(result.objects[0]?.maskLogits);
    expect([callsOf(bench, "encode").length, callsOf(bench, "track").length]).toEqual([1, 0]);
  });

  it.each(["compact", "transformers"] as const)(
    "does not detect again on the frame that was prompted last, by the rules of %s",
    async (preset) => {
      const instances = [instance(1, "ball", [2, 2, 6, 6]), instance(2, "box", [2, 20, 6, 6])];
      const countDetections = async (phrases: string[], visit: (bench: Bench) => Promise<unknown>) => {
        const bench = createBench(createWorld(instances), {}, undefined, preset);
        for (const phrase of phrases) await promptPhrase(bench, 0, phrase);
        const before = callsOf(bench, "detect").length;
        await visit(bench);
        return callsOf(bench, "detect").length - before;
      };
      expect(await countDetections(["ball"], (bench) => bench.run(0, 0))).toBe(0);
      expect(await countDetections(["ball"], (bench) => bench.run(0, 2))).toBe(2);
      // It detects on another frame, on a second visit, and for more concepts than the last prompt.
      expect(await countDetections(["ball"], (bench) => bench.run(1, 1))).toBe(1);
      expect(
        await countDetections(["ball"], async (bench) => [await bench.run(0, 0), await bench.run(0, 0)]),
      ).toBe(1);
      expect(await countDetections(["ball", "box"], (bench) => bench.run(0, 0))).toBe(1);
    },
  );

  it("accepts prompts between two frames", async () => {
    const bench = createBench(
      createWorld([slider(1, "ball", [2, 2, 6, 6]), slider(2, "box", [2, 20, 6, 6])]),
    );
    await click(bench, 0, [near(4, 4)]);
    await bench.run(0, 4);
    await promptPhrase(bench, 4, "box");
    const next = await bench.tracker.step(bench.frame(5));
    expect(bench.labels(5, next)).toEqual({ 0: 1, 1: 2 });
  });

  it("tracks objects in as few calls as their memories allow", async () => {
    const instances = [1, 2, 3].map((label) =>
      instance(label, "ball", [2, 12 * label - 10, 6, 6], (frame) => label < 3 || frame >= 2),
    );
    const bench = createBench(createWorld(instances), { recondition: { reconditionEveryNthFrame: 0 } });
    await promptPhrase(bench, 0, "ball");
    const shapes: number[][] = [];
    bench.tracker.beginPropagation(false);
    for (let frame = 1; frame <= 20; frame++) {
      const before = callsOf(bench, "track").length;
      await bench.tracker.step(bench.frame(frame));
      shapes.push(
        callsOf(bench, "track")
          .slice(before)
          .map(({ inputs }) => inputs.memory?.dims[0] as number),
      );
    }
    // One call for two objects, two calls while the third object has fewer memories, then one call for all three.
    expect([shapes[0], shapes[3], shapes.at(-1)]).toEqual([[2], [2, 1], [3]]);
  });

  it("splits large calls evenly", async () => {
    const labels = Array.from({ length: 9 }, (_, i) => i + 1);
    const instances = labels.map((label) =>
      instance(label, "ball", [2 + 13 * ((label - 1) % 3), 2 + 13 * Math.floor((label - 1) / 3), 6, 6]),
    );
    const bench = createBench(createWorld(instances));
    for (const label of labels) {
      const [x, y] = [5 + 13 * ((label - 1) % 3), 5 + 13 * Math.floor((label - 1) / 3)];
      await click(bench, 0, [near(x, y)]);
    }
    const shown = await bench.run(1, 1);
    expect(bench.labels(1, shown.get(1) as StepResult)).toEqual(
      Object.fromEntries(labels.map((label) => [label - 1, label])),
    );
    expect(callsOf(bench, "track").map(({ inputs }) => inputs.memory?.dims[0])).toEqual([5, 4]);
  });

  it("uses equal numbers of memories after many frames and after few", async () => {
    const bench = createBench(createWorld([instance(1, "ball", [2, 2, 6, 6])]));
    await promptPhrase(bench, 0, "ball");
    await bench.run(0, 400);
    const sizes = callsOf(bench, "track").map(({ inputs }) => [
      inputs.memory?.dims[1] as number,
      inputs.pointers?.dims[1] as number,
    ]);
    expect(Math.max(...sizes.map(([memories]) => memories as number))).toBeLessThanOrEqual(4 + 6);
    expect(sizes.at(-1)).toEqual(sizes.at(-33));
  });
});

describe("removing and resetting", () => {
  it("removes a detected object permanently: it does not get another id", async () => {
    const bench = createBench(
      createWorld([slider(1, "ball", [2, 2, 6, 6]), slider(2, "ball", [2, 20, 6, 6])]),
    );
    await promptPhrase(bench, 0, "ball");
    expect(bench.tracker.removeObject(0)).toBe(true);
    expect(bench.tracker.objectIds()).toEqual([1]);
    for (const [frame, result] of await bench.run(0, 10))
      expect(bench.labels(frame, result)).toEqual({ 1: 2 });
    expect(bench.tracker.objectIds()).toEqual([1]);
  });

  it("returns false for unknown and removed objects", async () => {
    const bench = createBench(createWorld([instance(1, "ball", [2, 2, 6, 6])]));
    await click(bench, 0, [near(4, 4)]);
    expect([
      bench.tracker.removeObject(5),
      bench.tracker.removeObject(0),
      bench.tracker.removeObject(0),
    ]).toEqual([false, true, false]);
  });

  it("lets a removed id be used again", async () => {
    const bench = createBench(
      createWorld([instance(1, "ball", [2, 2, 6, 6]), instance(2, "box", [20, 20, 6, 6])]),
    );
    await promptPhrase(bench, 0, "ball");
    bench.tracker.removeObject(0);
    const { result, objectId } = await click(bench, 0, [near(22, 22)], { objectId: 0 });
    expect([bench.labels(0, result), objectId]).toEqual([{ 0: 2 }, 0]);
  });

  it("deletes all state on reset and counts ids from 0 again", async () => {
    const bench = createBench(createWorld([instance(1, "ball", [2, 2, 6, 6])]));
    await promptPhrase(bench, 0, "ball");
    bench.tracker.reset();
    expect([bench.tracker.objectIds(), bench.tracker.concepts()]).toEqual([[], []]);
    expect(idsByFrame(await bench.run(0, 1))).toEqual([
      [0, []],
      [1, []],
    ]);
    expect((await click(bench, 0, [near(4, 4)])).objectId).toBe(0);
  });
});

describe("unsupported prompts", () => {
  it("are rejected before any graph runs", async () => {
    const none = { text: false, exemplars: false, points: false, maskSeed: false };
    const bench = createBench(createWorld([]), {}, none);
    const exemplars = { boxesXywh: [[0, 0, 0.5, 0.5] as const], labels: [1 as const] };
    const unsupported = { code: "unsupported_by_pack" };
    await expect(promptPhrase(bench, 0, "ball")).rejects.toMatchObject(unsupported);
    await expect(
      bench.tracker.prompt(bench.frame(0), { kind: "concept", exemplars, replace: false }),
    ).rejects.toMatchObject(unsupported);
    await expect(click(bench, 0, [near(4, 4)])).rejects.toMatchObject(unsupported);
    expect(bench.calls).toEqual([]);
  });
});

describe("limits", () => {
  it("bound the number of lost objects that are tracked", async () => {
    // A new ball every eight frames, each at another position and visible for three frames.
    const instances = Array.from({ length: 9 }, (_, i) =>
      instance(i + 1, "ball", [2 + 13 * (i % 3), 2 + 13 * Math.floor(i / 3), 6, 6], (frame) => {
        return frame >= 8 * i && frame < 8 * i + 3;
      }),
    );
    const bench = createBench(createWorld(instances, { reach: 4 }));
    await promptPhrase(bench, 0, "ball");
    const last = 8 * instances.length + MAX_LOST_FRAMES;
    const shown = await bench.run(0, last);
    expect(bench.tracker.objectIds()).toEqual(instances.map((_, id) => id));
    expect([100, last].map((index) => shown.get(index)?.stats.tracked)).toEqual([9, 0]);
  });

  it("reject detections beyond the object limit and report their number", async () => {
    const instances = [1, 2, 3].map((label) => instance(label, "ball", [2, 12 * label - 10, 6, 6]));
    const bench = createBench(createWorld(instances), { life: { maxNumObjects: 2 } });
    const { result } = await promptPhrase(bench, 0, "ball");
    expect([ids(result), result.stats]).toEqual([[0, 1], { tracked: 2, dropped: 1 }]);
    await expect(click(bench, 0, [near(30, 30)])).rejects.toMatchObject({ code: "object_limit" });
  });
});
