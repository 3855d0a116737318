/**
 * SAM 3's traces of the frames that a propagation visits and of its modes, through the session that serves a client: real
 * planning and tracking rules, with a scripted detector and tracker in place of a model.
 */

import { describe, expect, it } from "vitest";
import type { AddPromptRequest, StreamRequest, VideoFacts } from "../../protocol/index.js";
import type { EngineSession } from "../../server/engine/index.js";
import { verbMethods } from "../../server/engine/verbs.js";
import type { MediaSource } from "../../server/media/source.js";
import { createSessionResults } from "../../server/results/session-results.js";
import { createSession } from "../../server/session.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { type Found, frame, type Rect, type Script, SIDE, upTo } from "../tracker/trace-bench.js";
import { openTraceSession, video } from "../tracker/trace-session.js";

const A: Rect = [4, 4, 5, 5];
const found = (rect: Rect): Found => ({ rect, score: 0.9 });
const always: Script = { detect: () => [found(A)] };

interface Request {
  propagation_direction?: "forward" | "backward" | "both";
  start_frame_index?: number;
  max_frame_num_to_track?: number;
}

function open(numFrames: number, script = always, preset: "sam3" | "masklet" = "sam3") {
  const traced = openTraceSession(script, preset, numFrames);
  const { session: inner } = traced;
  const pushed: number[] = [];
  const engine: EngineSession = {
    ...verbMethods(() => Promise.reject(new Error("not used in these tests"))),
    rules: { pack: { ...createScriptedEngine().pack, inputSize: SIDE }, defaultStart: "visited" },
    prompt: async ({ frame: promptedFrame, prompt }) => {
      const { output, objectId } = await inner.prompt(promptedFrame, prompt);
      return { output, ...(objectId !== undefined && { objectId }) };
    },
    begin: (pass) => inner.beginPropagation(pass),
    push: async ({ frame: pushedFrame }) => {
      pushed.push(pushedFrame.index);
      inner.prepare(pushedFrame);
      return undefined;
    },
    next: () => inner.step(frame(pushed.shift() as number)),
    fetch: async ({ frameIndex }) => inner.fetch(frameIndex),
    removeObject: async ({ objectId }) => {
      inner.removeObject(objectId);
      return undefined;
    },
    snapshot: () => Promise.reject(new Error("not used in these tests")),
    close: async () => {},
  };
  const mediaFrame = (index: number) => ({ ...frame(index), timestampUs: null });
  const media: MediaSource = {
    facts: {} as MediaSource["facts"],
    async *frames({ startFrame, count, direction }) {
      const step = direction === "forward" ? 1 : -1;
      for (let place = 0; place < count; place++) yield mediaFrame(startFrame + place * step);
    },
    frame: async (index) => mediaFrame(index),
    timeOf: () => null,
    close: async () => {},
  };
  const results = createSessionResults({
    numFrames: () => numFrames,
    maxBytes: 1e8,
    rollback: (to) => engine.rollback({ to }),
  });
  const facts = { session_id: "s", num_frames: numFrames, ...video } as VideoFacts;
  const session = createSession({ facts, media, engine, results });
  const common = { session_id: "s", output_prob_thresh: 0, rel_coordinates: true } as const;
  const fresh = { replace: false, clear_old_points: true, clear_old_boxes: true };
  const prompt = (fields: object) =>
    session.addPrompt({ ...common, ...fresh, ...fields, type: "add_prompt" } as AddPromptRequest);
  return {
    /** The kinds of all actions, oldest first. */
    history: () => inner.history.map(({ kind }) => kind),
    tracks: traced.countModelCalls,
    remove: (id: number) => session.removeObject({ obj_id: id, frame_index: 0 }),
    addConcept: (frame_index: number) => prompt({ frame_index, text: "object" }),
    click: (frame_index: number, obj_id: number) =>
      prompt({ frame_index, obj_id, points: [[0.3, 0.3]], point_labels: [1] }),
    async propagate(request: Request = {}) {
      const frames: number[] = [];
      const ids: number[][] = [];
      const fields = {
        propagation_direction: "both",
        scope: "all",
        ...common,
        ...request,
        type: "propagate_in_video",
      };
      for await (const { frame_index, outputs } of session.propagate(fields as StreamRequest)) {
        frames.push(frame_index);
        ids.push(outputs.out_obj_ids);
      }
      return { frames, ids };
    },
  };
}

describe("the frames and modes of propagations (trace 3)", () => {
  it("run forward, then backward, and then fetch the known results", async () => {
    const { addConcept, propagate, history, tracks } = open(12);
    await addConcept(5);
    expect((await propagate()).frames).toEqual([...upTo(11, 5), ...upTo(0, 4)]);
    expect(history()).toEqual(["full", "full"]);
    const before = tracks();
    const { frames, ids } = await propagate();
    expect([frames, ids.every((list) => list.join() === "0")]).toEqual([upTo(11), true]);
    expect([history().at(-1), tracks()]).toEqual(["fetch", before]);
  });

  it("start at the smallest visited frame, so that forward after backward starts at 0", async () => {
    const { addConcept, propagate, history } = open(12);
    await addConcept(5);
    expect((await propagate({ propagation_direction: "backward" })).frames).toEqual(upTo(0, 4));
    expect((await propagate({ propagation_direction: "forward" })).frames).toEqual(upTo(11));
    expect(history()).toEqual(["full", "full"]);
  });

  it("track again in a second forward pass, and fetch in the third", async () => {
    const { addConcept, propagate, history, tracks } = open(12);
    await addConcept(0);
    const work: number[] = [];
    for (let pass = 0; pass < 3; pass++) {
      const before = tracks();
      expect((await propagate({ propagation_direction: "forward" })).frames).toEqual(upTo(11));
      work.push(tracks() - before);
    }
    expect(history()).toEqual(["full", "full", "fetch"]);
    // Pass 1: detections on 11 frames, as the prompt has detected on frame 0, and tracks on 11. Pass 2: one detection more.
    // Pass 3 fetches and runs no graph.
    expect(work).toEqual([22, 23, 0]);
  });

  it("have no backward half from frame 0, after which the next one fetches", async () => {
    const { addConcept, propagate, history } = open(12);
    await addConcept(0);
    expect((await propagate({ start_frame_index: 0 })).frames).toEqual(upTo(11));
    // SAM 3 plans a backward half without frames. Its only effect is that the next propagation fetches.
    expect(history()).toEqual(["full"]);
    await propagate();
    expect(history()).toEqual(["full", "fetch"]);
  });

  it("do not start without a prompt; SAM 3 returns empty frames with a start frame, and fails without one", async () => {
    const { propagate } = open(12);
    for (const request of [{ start_frame_index: 0 }, {}])
      await expect(propagate(request)).rejects.toMatchObject({ code: "nothing_prompted" });
  });
});

describe("the range of a propagation (trace 4)", () => {
  const near = { start_frame_index: 5, max_frame_num_to_track: 3 };

  it("covers three frames after the start forward and three before it backward; the next one fetches from frame 2", async () => {
    const { addConcept, propagate, history } = open(12);
    await addConcept(5);
    expect((await propagate({ ...near, propagation_direction: "forward" })).frames).toEqual([5, 6, 7, 8]);
    expect((await propagate({ ...near, propagation_direction: "backward" })).frames).toEqual([4, 3, 2]);
    const { frames, ids } = await propagate();
    expect([frames.slice(0, 10), history().at(-1)]).toEqual([upTo(11, 2), "fetch"]);
    expect(ids.slice(0, 10).map((list) => list.length)).toEqual([1, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
  });

  it("is the same in one request for both", async () => {
    const { addConcept, propagate } = open(12);
    await addConcept(5);
    expect((await propagate(near)).frames).toEqual([5, 6, 7, 8, 4, 3, 2]);
  });
});

describe("clicks before any propagation (trace 7)", () => {
  it("fail on an unvisited frame and record no action, unlike in SAM 3 itself", async () => {
    const { click, history } = open(6);
    await expect(click(0, 3)).rejects.toMatchObject({ code: "nothing_prompted" });
    expect(history()).toEqual([]);
  });

  it("work on the prompted frame; on the next one SAM 3 fails and masklet tracks (quirk 4)", async () => {
    const run = async (preset: "sam3" | "masklet") => {
      const { addConcept, click, propagate } = open(6, { detect: () => [found([12, 12, 5, 5])] }, preset);
      await addConcept(0);
      const { outputs } = await click(0, 7);
      expect([outputs.out_obj_ids, outputs.out_probs.map((prob) => prob > 0.95)]).toEqual([
        [0, 7],
        [false, true],
      ]);
      return propagate();
    };
    await expect(run("sam3")).rejects.toMatchObject({
      code: "nothing_prompted",
      message: expect.stringContaining("frame 1"),
    });
    expect((await run("masklet")).ids).toEqual(Array(6).fill([0, 7]));
  });
});

it("tracks nothing under sam3 after a removal before the first propagation, and detects again under masklet (trace 6)", async () => {
  const run = async (preset: "sam3" | "masklet") => {
    const { addConcept, remove, propagate, history } = open(6, always, preset);
    await addConcept(0);
    await remove(0);
    const { ids } = await propagate();
    return [ids.flat().length > 0, history()];
  };
  expect(await run("sam3")).toEqual([false, ["remove", "fetch"]]);
  // masklet still detects the phrase, and starts the object again with a new id.
  expect(await run("masklet")).toEqual([true, ["remove", "full"]]);
});
