/** What every engine session does, run on the real engine with the compact pack and on the scripted one. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeMask } from "../../../protocol/rle.js";
import {
  createEngine,
  type Engine,
  type EnginePrompt,
  type FrameOutput,
} from "../../../server/engine/index.js";
import { SESSION_VERBS } from "../../../server/engine/verbs.js";
import { greyFrame, squareFrame, video } from "../../helpers/real-engine.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { compactPackDir } from "../../helpers/tiny-pack.js";

const box: EnginePrompt = {
  kind: "object",
  points: [],
  labels: [],
  boxXywh: [0.125, 0.25, 0.5, 0.5],
  clearOldPoints: true,
  clearOldBoxes: true,
};
const concept = (text: string): EnginePrompt => ({ kind: "concept", text, replace: false });
const pass = { reverse: false, firstFrame: 0, lastFrame: 3, startFrame: null };

describe.each([
  ["real", () => createEngine({ packDir: compactPackDir, threads: 1 })],
  ["scripted", async () => createScriptedEngine()],
] as const)("a session of the %s engine", (_, create) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await create();
  });
  afterAll(() => engine.close());

  const frame = (index: number) => squareFrame(engine, index);

  test("has a method for every verb, and the rules of its pack", async () => {
    const session = await engine.open(video);
    for (const verb of Object.keys(SESSION_VERBS)) expect(session).toHaveProperty(verb);
    expect(session.rules).toMatchObject({ pack: engine.pack, defaultStart: "prompted" });
  });

  test("tracks a prompted object over the frames that are pushed, one output per frame", async () => {
    const session = await engine.open(video);
    const { output, objectId } = await session.prompt({ frame: frame(0), prompt: box });
    expect(output.frameIndex).toBe(0);
    expect(await session.describe()).toMatchObject({ concepts: [], objectIds: [objectId] });
    expect(await session.begin(pass)).toEqual({ mode: "full" });
    const outputs = [];
    for (let index = 0; index < 4; index++) {
      await session.push({ frame: frame(index) });
      outputs.push(...(await session.next()));
    }
    expect(outputs.map(({ frameIndex }) => frameIndex)).toEqual([0, 1, 2, 3]);
    for (const { objects } of outputs) expect(objects.map((object) => object.objectId)).toEqual([objectId]);
  });

  test("holds back a push while two frames are pushed and not stepped", async () => {
    const session = await engine.open(video);
    await session.prompt({ frame: frame(0), prompt: box });
    await session.begin(pass);
    await session.push({ frame: frame(0) });
    await session.push({ frame: frame(1) });
    let isPushed = false;
    const third = session.push({ frame: frame(2) }).then(() => {
      isPushed = true;
    });
    await session.describe();
    await session.describe();
    expect(isPushed).toBe(false);
    expect((await session.next()).map(({ frameIndex }) => frameIndex)).toEqual([0]);
    await third;
    expect((await session.next()).map(({ frameIndex }) => frameIndex)).toEqual([1]);
    expect((await session.next()).map(({ frameIndex }) => frameIndex)).toEqual([2]);
  });

  test("drops what was pushed when a new pass begins, and refuses what waited for room", async () => {
    const session = await engine.open(video);
    await session.prompt({ frame: frame(0), prompt: box });
    await session.begin(pass);
    for (const index of [0, 1]) await session.push({ frame: frame(index) });
    const refused = expect(session.push({ frame: frame(2) })).rejects.toThrow(
      "Frame 2 is of a pass that has ended.",
    );
    await session.begin({ reverse: true, firstFrame: 3, lastFrame: 0, startFrame: null });
    await refused;
    await session.push({ frame: frame(3) });
    expect((await session.next()).map(({ frameIndex }) => frameIndex)).toEqual([3]);
    await expect(session.next()).rejects.toMatchObject({
      code: "internal",
      message: "No pushed frame waits for its step.",
    });
  });

  test("applies a prompt between two frames of a pass", async () => {
    const session = await engine.open(video);
    await session.prompt({ frame: frame(0), prompt: { ...box, objectId: 4 } });
    await session.begin(pass);
    await session.push({ frame: frame(0) });
    await session.push({ frame: frame(1) });
    const results = await Promise.all([
      session.next(),
      session.prompt({ frame: frame(0), prompt: { ...box, boxXywh: [0, 0, 0.2, 0.2], objectId: 8 } }),
      session.describe(),
    ]);
    expect(results[2].objectIds).toEqual([4, 8]);
  });

  test("forgets a removed object, and rejects removing it again", async () => {
    const session = await engine.open(video);
    await session.prompt({ frame: frame(0), prompt: { ...box, objectId: 7 } });
    await session.removeObject({ objectId: 7 });
    expect((await session.describe()).objectIds).toEqual([]);
    await expect(session.removeObject({ objectId: 7 })).rejects.toMatchObject({
      code: "object_not_found",
      field: "obj_id",
    });
  });

  test("edits objects, and rejects edits of unknown ones", async () => {
    const session = await engine.open(video);
    for (const objectId of [3, 4]) await session.prompt({ frame: frame(0), prompt: { ...box, objectId } });
    expect(await session.edit({ edit: { kind: "split", objectId: 3, frameIndex: 2 } })).toMatchObject({
      removedIds: [],
      newObjectId: 5,
    });
    const mask = encodeMask(new Uint8Array(video.width * video.height).fill(1), video.width, video.height);
    await session.anchor({ frame: frame(2), masks: [{ objectId: 5, mask }] });
    expect(
      await session.edit({ edit: { kind: "merge", objectId: 3, otherIds: [4], locks: [] } }),
    ).toMatchObject({
      removedIds: [4],
    });
    expect((await session.describe()).objects.map(({ objectId }) => objectId)).toEqual([3, 5]);
    await expect(
      session.edit({ edit: { kind: "swap", objectId: 3, otherId: 4, frameIndex: 1 } }),
    ).rejects.toMatchObject({ code: "object_not_found", field: "other_obj_id" });
    await expect(session.edit({ edit: { kind: "removeConcept", concept: "cat" } })).rejects.toMatchObject({
      code: "concept_not_found",
      field: "concept",
    });
  });

  test("keeps concepts until it is reset", async () => {
    const session = await engine.open(video);
    for (const text of ["red square", "circle"])
      await session.prompt({ frame: greyFrame(engine), prompt: concept(text) });
    expect((await session.describe()).concepts).toEqual(["red square", "circle"]);
    await session.reset();
    expect(await session.describe()).toMatchObject({ concepts: [], objectIds: [] });
  });

  test("returns candidates for each prompt of a batch, and keeps nothing of them", async () => {
    const session = await engine.open(video);
    const points: [number, number][][] = [[[0.3, 0.5]], [[0.4, 0.5]]];
    const prompt = { points, labels: [[1], [1]] as (0 | 1)[][], multimask: true };
    const predicted = await session.predict({ frame: frame(0), prompt });
    expect(predicted.map((candidates) => candidates.length)).toEqual([3, 3]);
    expect(await session.describe()).toMatchObject({ concepts: [], objectIds: [] });
  });

  test("recalls masks of earlier frames between the start of a pass and its first step", async () => {
    const session = await engine.open(video);
    const { output, objectId = 0 } = await session.prompt({ frame: frame(0), prompt: box });
    const { mask } = output.objects[0] as FrameOutput["objects"][number];
    await session.begin({ ...pass, firstFrame: 3 });
    for (const index of [1, 2])
      await session.recall({
        frame: frame(index),
        masks: [
          { objectId, mask },
          { objectId: 77, mask },
        ],
      });
    await session.push({ frame: frame(3) });
    const [shown] = await session.next();
    expect(shown?.objects.map((object) => object.objectId)).toEqual([objectId]);
  });

  test("returns to the state before a step, and to the one after it", async () => {
    const session = await engine.open(video);
    const add = async (objectId: number) => {
      await session.prompt({ frame: frame(0), prompt: { ...box, objectId }, isStep: true });
    };
    const ids = async () => (await session.describe()).objectIds;
    await add(3);
    await add(5);
    await session.removeObject({ objectId: 3, isStep: true });
    await session.removeObject({ objectId: 5 });
    await session.rollback({ to: "before" });
    expect(await ids()).toEqual([3, 5]);
    await session.rollback({ to: "before" });
    expect(await ids()).toEqual([3]);
    await session.rollback({ to: "after" });
    await session.rollback({ to: "after" });
    expect(await ids()).toEqual([]);
    await expect(session.rollback({ to: "after" })).rejects.toMatchObject({ code: "internal" });
    for (let step = 0; step < 3; step++) await session.rollback({ to: "before" });
    await expect(session.rollback({ to: "before" })).rejects.toMatchObject({ code: "internal" });
    await session.begin(pass);
    await session.push({ frame: frame(0) });
    expect((await session.next())[0]?.objects).toEqual([]);
  });

  test("keeps the steps that are undone when an edit fails, and drops them when one succeeds", async () => {
    const session = await engine.open(video);
    await session.prompt({ frame: frame(0), prompt: { ...box, objectId: 3 }, isStep: true });
    await session.rollback({ to: "before" });
    await expect(session.removeObject({ objectId: 77, isStep: true })).rejects.toMatchObject({
      code: "object_not_found",
    });
    await session.rollback({ to: "after" });
    expect((await session.describe()).objectIds).toEqual([3]);
    await session.rollback({ to: "before" });
    await session.prompt({ frame: frame(0), prompt: { ...box, objectId: 4 }, isStep: true });
    await expect(session.rollback({ to: "after" })).rejects.toMatchObject({ code: "internal" });
  });

  test("counts prompts, predictions and steps as frames, and nothing else", async () => {
    const session = await engine.open(video);
    const before = engine.stats().frames;
    await session.prompt({ frame: frame(0), prompt: box });
    await session.begin(pass);
    await session.push({ frame: frame(0) });
    expect(engine.stats().frames).toBe(before + 1);
    await session.next();
    await session.describe();
    expect(engine.stats().frames).toBe(before + 2);
  });

  test("answers the calls of one session in the order in which they arrive", async () => {
    const session = await engine.open(video);
    const order: string[] = [];
    await Promise.all([
      session.prompt({ frame: frame(0), prompt: box }).then(() => order.push("prompt")),
      session.describe().then(() => order.push("description")),
      session.reset().then(() => order.push("reset")),
    ]);
    expect(order).toEqual(["prompt", "description", "reset"]);
  });

  test("rejects calls with the reason of its close, also those that waited; closing again is harmless", async () => {
    const session = await engine.open(video);
    const inProgress = session.prompt({ frame: frame(0), prompt: box });
    // The first call has its turn at once; the second waits behind it.
    await Promise.resolve();
    const waiting = expect(session.describe()).rejects.toMatchObject({ code: "session_not_found" });
    await session.close();
    await inProgress;
    await waiting;
    await session.close();
    await expect(session.next()).rejects.toMatchObject({ code: "session_not_found" });
  });
});
