import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createEngine,
  type Engine,
  type EngineFrame,
  type EnginePrompt,
} from "../../../server/engine/index.js";
import { until } from "../../helpers/settle.js";
import { compactPackDir, copyCompactPack } from "../../helpers/tiny-pack.js";

const video = { width: 160, height: 90 };
const box: EnginePrompt = {
  kind: "object",
  points: [],
  labels: [],
  boxXywh: [0.25, 0.25, 0.5, 0.5],
  clearOldPoints: true,
  clearOldBoxes: true,
};
let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ packDir: compactPackDir, threads: 1 });
});
afterAll(() => engine.close());

/** A red square on a grey ground, at `shift` pixels of the model's input. */
function frame(index: number, shift = 0): EngineFrame {
  const side = engine.pack.inputSize;
  const rgb = new Uint8Array(side * side * 3).fill(110);
  for (let y = side / 4; y < (side * 3) / 4; y++) {
    for (let x = side / 4 + shift; x < (side * 3) / 4 + shift; x++)
      rgb.set([220, 30, 30], (y * side + x) * 3);
  }
  return { index, rgb };
}

async function openSession(id: string): Promise<string> {
  await engine.openSession(id, video);
  return id;
}

test("the pack is summarised with its provider", () => {
  expect(engine.pack).toMatchObject({
    id: "compact",
    capabilities: { text: true, exemplars: true, points: true, maskSeed: true },
    provider: "cpu",
  });
  expect(engine.pack.inputSize % 32).toBe(0);
});

test("the runtime is loaded in another process than this one", () => {
  expect(engine.stats().workerPid).not.toBe(process.pid);
  const { sharedObjects } = process.report.getReport() as { sharedObjects: string[] };
  expect(sharedObjects.filter((name) => /onnxruntime/i.test(name))).toEqual([]);
});

test("an object prompt makes an object, and the frames that follow carry its mask at the video's size", async () => {
  const id = await openSession("one object");
  const { output, objectId } = await engine.prompt(id, frame(0), box);
  expect(output.frameIndex).toBe(0);
  expect((await engine.describeSession(id)).objectIds).toEqual([objectId]);

  await engine.beginPropagation(id, { reverse: false, firstFrame: 0, lastFrame: 1, startFrame: null });
  engine.prepare(id, frame(0));
  const first = engine.step(id, 0);
  engine.prepare(id, frame(1, 4));
  const outputs = [output, ...(await first), ...(await engine.step(id, 1))];
  expect(outputs.map(({ frameIndex }) => frameIndex)).toEqual([0, 0, 1]);
  for (const object of outputs.flatMap(({ objects }) => objects)) {
    expect(object.objectId).toBe(objectId);
    expect(object.mask.size).toEqual([video.height, video.width]);
    const [x, y, width, height] = object.boxXywh;
    for (const edge of [x, y, x + width, y + height]) expect(edge).toBeGreaterThanOrEqual(0);
    for (const edge of [x + width, y + height]) expect(edge).toBeLessThanOrEqual(1 + 1e-9);
  }
});

test("a removed object is gone, and removing it again is an error", async () => {
  const id = await openSession("removal");
  const { objectId } = await engine.prompt(id, frame(0), { ...box, objectId: 7 });
  expect(objectId).toBe(7);
  await engine.removeObject(id, 7);
  expect((await engine.describeSession(id)).objectIds).toEqual([]);
  await expect(engine.removeObject(id, 7)).rejects.toMatchObject({
    code: "object_not_found",
    field: "obj_id",
  });
});

test("phrases are remembered until the session is reset", async () => {
  const id = await openSession("phrases");
  await engine.prompt(id, frame(0), { kind: "concept", text: "red square", replace: false });
  await engine.prompt(id, frame(0), { kind: "concept", text: "circle", replace: false });
  expect((await engine.describeSession(id)).concepts).toEqual(["red square", "circle"]);
  await engine.resetSession(id);
  expect(await engine.describeSession(id)).toEqual({ concepts: [], objectIds: [] });
});

test("a phrase that is too long is the client's error, and the session lives on", async () => {
  const id = await openSession("long phrase");
  const text = "red ".repeat(200);
  await expect(engine.prompt(id, frame(0), { kind: "concept", text, replace: false })).rejects.toMatchObject({
    code: "invalid_field",
    field: "text",
    message: /^The phrase is too long: it has 200 /,
  });
  expect(await engine.describeSession(id)).toEqual({ concepts: [], objectIds: [] });
});

test("a session that was never opened is not found, one that is open cannot be opened again", async () => {
  await expect(engine.step("nobody", 0)).rejects.toMatchObject({ code: "session_not_found" });
  const id = await openSession("twice");
  await expect(engine.openSession(id, video)).rejects.toMatchObject({ code: "session_exists" });
  await engine.closeSession(id);
  await engine.closeSession(id);
  await expect(engine.describeSession(id)).rejects.toMatchObject({ code: "session_not_found" });
});

test("a frame of another size is refused before it reaches the model", async () => {
  const id = await openSession("small frame");
  await expect(engine.prompt(id, { index: 0, rgb: new Uint8Array(12) }, box)).rejects.toMatchObject({
    code: "internal",
    message: expect.stringContaining("this one has 12"),
  });
});

test("requests of different sessions are answered in the order in which they came", async () => {
  const a = await openSession("a");
  const b = await openSession("b");
  const order: string[] = [];
  await Promise.all([
    engine.prompt(a, frame(0), box).then(() => order.push("a's prompt")),
    engine.describeSession(b).then(() => order.push("b's question")),
    engine.prompt(b, frame(0), box).then(() => order.push("b's prompt")),
    engine.describeSession(a).then(() => order.push("a's question")),
  ]);
  expect(order).toEqual(["a's prompt", "b's question", "b's prompt", "a's question"]);
});

test("a frame given ahead is encoded once, and shows what it would have shown", async () => {
  const begin = { reverse: false, firstFrame: 0, lastFrame: 2, startFrame: null };
  async function propagate(name: string, ahead: number) {
    const id = await openSession(name);
    await engine.prompt(id, frame(0), box);
    await engine.beginPropagation(id, begin);
    const outputs = [];
    for (let index = 0, given = 0; index < 3; index++) {
      for (; given <= Math.min(2, index + ahead); given++) engine.prepare(id, frame(given, 4 * given));
      outputs.push(...(await engine.step(id, index)));
    }
    return outputs;
  }
  const before = engine.stats().graphs.encode?.runs ?? 0;
  const inTurn = await propagate("in turn", 0);
  const between = engine.stats().graphs.encode?.runs ?? 0;
  expect(await propagate("ahead", 1)).toEqual(inTurn);
  // The first frame is known from its prompt.
  expect([between - before, (engine.stats().graphs.encode?.runs ?? 0) - between]).toEqual([3, 3]);
  expect(inTurn.map(({ objects }) => objects.length)).toEqual([1, 1, 1]);
});

test("a frame to come is taken out of turn, and encoded before anybody steps to it", async () => {
  const id = await openSession("out of turn");
  const encoded = async () => {
    await engine.describeSession(id);
    return engine.stats().graphs.encode?.runs ?? 0;
  };
  const before = await encoded();
  const prompted = engine.prompt(id, frame(0), box);
  // In turn, the step would come too early.
  const stepped = engine.step(id, 1);
  engine.prepare(id, frame(1, 4));
  await prompted;
  expect(await stepped).toHaveLength(1);
  expect(await encoded()).toBe(before + 2);
  engine.prepare(id, frame(2, 8));
  await until(async () => (await encoded()) === before + 3);
  expect(await engine.step(id, 2)).toHaveLength(1);
  expect(await encoded()).toBe(before + 3);
});

test("a step to a frame that was not given says which are", async () => {
  const id = await openSession("not given");
  await engine.prompt(id, frame(0), box);
  for (const index of [3, 4, 5]) engine.prepare(id, frame(index));
  await expect(engine.step(id, 3)).rejects.toMatchObject({
    code: "internal",
    message: "Frame 3 has to be given before its step; given: 4, 5.",
  });
  for (const index of [4, 5]) expect(await engine.step(id, index)).toHaveLength(1);
});

test("frames and the time inside the runtime are counted", async () => {
  const before = engine.stats();
  const id = await openSession("counted");
  await engine.prompt(id, frame(0), box);
  const after = engine.stats();
  expect(after.frames).toBe(before.frames + 1);
  expect(after.graphs.encode?.runs).toBe((before.graphs.encode?.runs ?? 0) + 1);
  expect(after.ortTimeMs).toBeGreaterThan(before.ortTimeMs);
});

test("what each graph takes of the inference process's memory is told", () => {
  const { encode } = engine.stats().graphs;
  // Its weights alone are some megabytes.
  expect(encode?.memoryBytes).toBeGreaterThan(4e6);
  expect(encode?.memoryBytes).toBeLessThan(4e8);
});

test("a pack that cannot be used is refused with its folder and the reason, and leaves no process", async () => {
  const pack = await copyCompactPack();
  await pack.editManifest(({ geometry }) => {
    geometry.m = 12;
  });
  await expect(createEngine({ packDir: pack.directory })).rejects.toMatchObject({
    code: "engine_failed",
    message: expect.stringMatching(
      /^The model pack in .* cannot be used: .*\.onnx: .* expected float32 .*12, 12/,
    ),
  });
});

test("a provider that is not there is logged with the reason, and the next one is used and reported", async () => {
  const warnings: string[] = [];
  const log = { info() {}, warn: (_: object, message: string) => void warnings.push(message), error() {} };
  const other = await createEngine({
    packDir: compactPackDir,
    providers: ["tensorrt", "cpu"],
    threads: 1,
    log,
  });
  await other.close();
  expect(other.pack.provider).toBe("cpu");
  expect(warnings.join("\n")).toMatch(/The provider "tensorrt" could not open encode\.onnx: .+/);
});
