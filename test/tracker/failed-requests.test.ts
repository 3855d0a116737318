/** A request that fails does not change the session, for a failure of any graph, and can be sent again. */
import { describe, expect, it } from "vitest";
import type { GraphRole, RunGraph } from "../../detector/graph.js";
import type { PolicyOverrides } from "../../tracker/policy.js";
import type { PresetName } from "../../tracker/presets.js";
import { createTrackingSession } from "../../tracker/tracking-session.js";
import { createVideoTracker } from "../../tracker/video-tracker.js";
import { answerTo, detached, firstDifference, pass, type Request } from "./requests.js";
import { createBench, createWorld, kinds, SIDE } from "./scripted-world.js";

const FRAMES = 40;

const world = createWorld([
  { label: 1, kind: kinds.ball as number, at: (frame) => [2 + 0.6 * frame, 6, 8, 8] },
  { label: 2, kind: kinds.ball as number, at: (frame) => [30 - 0.6 * frame, 8, 8, 8] },
  { label: 3, kind: kinds.box as number, at: () => [8, 26, 8, 8] },
  // Appears late, so that an object is created in the middle of a pass.
  { label: 4, kind: kinds.ball as number, at: (frame) => (frame >= 12 ? [26, 26, 8, 8] : null) },
]);

/** A run of a graph within one request: the role of the graph, and the number of earlier runs of this role. */
interface Run {
  role: GraphRole;
  occurrence: number;
}

/** A session whose graphs can be made to fail. */
function openFailing(preset: PresetName, overrides: PolicyOverrides = {}) {
  const { options, frame } = createBench(world, overrides, undefined, preset);
  const { policy } = options;
  let runs: Run[] = [];
  let failing: Run | null = null;
  const run: RunGraph = async (role, inputs, fetch) => {
    const occurrence = runs.filter((earlier) => earlier.role === role).length;
    runs.push({ role, occurrence });
    if (failing?.role === role && failing.occurrence === occurrence) throw new Error(`${role} fails`);
    return options.run(role, inputs, fetch);
  };
  const tracker = createVideoTracker({
    ...options,
    run,
    numFrames: FRAMES,
    tokenize: (phrase) => {
      if (phrase === "untokenizable") throw new Error("the phrase cannot be tokenized");
      return options.tokenize(phrase);
    },
  });
  const video = { width: SIDE, height: SIDE };
  const session = createTrackingSession({ tracker, policy, run, m: SIDE, video, numFrames: FRAMES });
  return {
    session,
    /** @returns the answer, or the error, and the graphs that ran */
    async answer(request: Request, fail: Run | null = null) {
      runs = [];
      failing = fail;
      return { answer: await answerTo(session, frame, request), runs };
    },
  };
}

const prompted: Request[] = [{ do: "phrase", frame: 0, text: "ball" }];
const propagated: Request[] = [...prompted, ...pass(0, 11)];
const click: Request = { do: "click", frame: 11, point: [0.3, 0.7], objectId: 9 };

/** The earlier requests, and the request under test; it is sent once for each run of a graph, and that run fails. */
const cases: [name: string, before: Request[], request: Request][] = [
  ["a first phrase", [], { do: "phrase", frame: 0, text: "ball" }],
  ["a second phrase", propagated, { do: "phrase", frame: 11, text: "box" }],
  ["a phrase in place of the others", propagated, { do: "phrase", frame: 11, text: "box", replace: true }],
  ["a phrase with its semantic map", propagated, { do: "phrase", frame: 11, text: "box", semanticMap: true }],
  [
    "an exemplar of a known phrase",
    propagated,
    { do: "exemplar", frame: 11, text: "ball", boxXywh: [0.2, 0.6, 0.25, 0.3] },
  ],
  ["an exemplar", propagated, { do: "exemplar", frame: 11, boxXywh: [0.2, 0.6, 0.25, 0.3] }],
  ["a click that creates an object", propagated, click],
  ["a box that creates an object", propagated, { do: "box", frame: 11, boxXywh: [0.2, 0.6, 0.25, 0.3] }],
  [
    "a click that corrects an object",
    propagated,
    { do: "click", frame: 8, point: [0.2, 0.2], objectId: 0, keep: true },
  ],
  ["a second click", [...propagated, click], { ...click, point: [0.32, 0.72], keep: true }],
  ["a prediction", propagated, { do: "predict", frame: 11, point: [0.3, 0.7] }],
  ["a step", propagated, { do: "step", frame: 12 }],
  ["a step that shows a waiting frame", [...prompted, ...pass(0, 17)], { do: "step", frame: 18 }],
  ["the last step of a pass", [...prompted, ...pass(0, 6).slice(0, -1)], { do: "step", frame: 6 }],
  ["the first step of a second pass", [...propagated, ...pass(9, 2).slice(0, 1)], { do: "step", frame: 9 }],
  [
    "a step of a partial propagation",
    [...propagated, click, ...pass(11, 5).slice(0, 2)],
    { do: "step", frame: 10 },
  ],
  [
    "a pass while frames wait",
    [...prompted, ...pass(0, 11).slice(0, 8)],
    { do: "begin", firstFrame: 7, lastFrame: 0 },
  ],
];

const failed = new Map<PresetName, Set<GraphRole>>();
const presets = ["compact", "masklet", "sam3", "transformers"] as const;

describe.each(presets)("a request that fails under the preset %s changes nothing", (preset) => {
  it.each(cases)("%s", async (_, before, request) => {
    const reference = openFailing(preset);
    const failing = openFailing(preset);
    for (const earlier of before) {
      await reference.answer(earlier);
      await failing.answer(earlier);
    }
    const untouched = detached(failing.session);
    const expected = await reference.answer(request);
    for (const run of expected.runs) {
      const { answer } = await failing.answer(request, run);
      expect(answer).toBe(`Error: ${run.role} fails`);
      const where = `after run ${run.occurrence + 1} of ${run.role} failed`;
      expect(firstDifference(failing.session.snapshot(), untouched, where)).toBeNull();
      failed.set(preset, (failed.get(preset) ?? new Set()).add(run.role));
    }
    expect(firstDifference((await failing.answer(request)).answer, expected.answer, "answer")).toBeNull();
    expect(firstDifference(failing.session.snapshot(), reference.session.snapshot())).toBeNull();
  });
});

it.each(presets)("these requests include a failure of every graph under the preset %s", (preset) => {
  const roles = ["detect", "encode", "remember", "render", "seed", "segment", "text", "track"];
  expect([...(failed.get(preset) ?? [])].sort()).toEqual(roles);
});

describe.each(presets)("a request that is rejected under the preset %s changes nothing", (preset) => {
  const full = { life: { maxNumObjects: 2 } };
  const rejections: [string, Request[], Request, PolicyOverrides?][] = [
    [
      "a phrase that the tokenizer rejects, in place of the others",
      prompted,
      { do: "phrase", frame: 0, text: "untokenizable", replace: true },
    ],
    ["an object beyond the limit", propagated, click, full],
    ["an object that does not exist", prompted, { do: "remove", objectId: 77 }],
  ];
  it.each(rejections)("%s", async (_, before, request, policy) => {
    const { session, answer } = openFailing(preset, policy);
    for (const earlier of before) await answer(earlier);
    const untouched = detached(session);
    const rejected = (await answer(request)).answer;
    expect(rejected === false || String(rejected).includes("Error: ")).toBe(true);
    expect(firstDifference(session.snapshot(), untouched)).toBeNull();
  });
});

it("a click on an unvisited frame is rejected under sam3 and creates no object", async () => {
  const { session, answer } = openFailing("sam3");
  const untouched = detached(session);
  expect(String((await answer(click)).answer)).toContain("PromptError: Clicks require a visited frame");
  expect(firstDifference(session.snapshot(), untouched)).toBeNull();
});
