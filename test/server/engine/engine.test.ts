/** The real engine: its pack, its process, its threads and its numbers. */
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createEngine,
  type Engine,
  type EngineFrame,
  type EnginePrompt,
} from "../../../server/engine/index.js";
import { squareFrame } from "../../helpers/real-engine.js";
import { until } from "../../helpers/settle.js";
import { compactPackDir, copyCompactPack } from "../../helpers/tiny-pack.js";

const video = { width: 160, height: 90 };
const box: EnginePrompt = {
  kind: "object",
  points: [],
  labels: [],
  boxXywh: [0.125, 0.25, 0.5, 0.5],
  clearOldPoints: true,
  clearOldBoxes: true,
};
const pass = { reverse: false, firstFrame: 0, lastFrame: 2, startFrame: null };
let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ packDir: compactPackDir, threads: 1 });
});
afterAll(() => engine.close());

const frame = (index: number) => squareFrame(engine, index);
const encodings = () => engine.stats().graphs.encode?.runs ?? 0;

test("the pack is summarised with its provider and the hash of its manifest", () => {
  expect(engine.pack).toMatchObject({
    id: "compact",
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
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

test("masks have the size of the video, and boxes lie inside it", async () => {
  const session = await engine.open(video);
  const { output } = await session.prompt({ frame: frame(0), prompt: box });
  await session.begin(pass);
  await session.push({ frame: frame(0) });
  await session.push({ frame: frame(1) });
  const outputs = [output, ...(await session.next()), ...(await session.next())];
  expect(outputs.map(({ frameIndex, objects }) => [frameIndex, objects.length])).toEqual([
    [0, 1],
    [0, 1],
    [1, 1],
  ]);
  for (const object of outputs.flatMap(({ objects }) => objects)) {
    expect(object.mask.size).toEqual([video.height, video.width]);
    const [x, y, width, height] = object.boxXywh;
    for (const edge of [x, y, x + width, y + height]) expect(edge).toBeGreaterThanOrEqual(0);
    for (const edge of [x + width, y + height]) expect(edge).toBeLessThanOrEqual(1 + 1e-9);
  }
});

test.each([
  ["red circle", { coverage: 1, unknownWords: [] }],
  ["a red quokka", { coverage: 2 / 3, unknownWords: ["quokka"] }],
  ["?!", { coverage: 0, unknownWords: ["?!"] }],
  ["собака", { coverage: 0, unknownWords: ["собака"] }],
])("the answer to the phrase %j lists the words that the pack does not know", async (text, vocabulary) => {
  const session = await engine.open(video);
  const prompt: EnginePrompt = { kind: "concept", text, replace: false };
  const answer = await session.prompt({ frame: frame(0), prompt });
  expect(answer.vocabulary?.unknownWords).toEqual(vocabulary.unknownWords);
  expect(answer.vocabulary?.coverage).toBeCloseTo(vocabulary.coverage);
});

test("the answer to a box has no vocabulary", async () => {
  const session = await engine.open(video);
  expect(await session.prompt({ frame: frame(0), prompt: box })).not.toHaveProperty("vocabulary");
});

test("of a phrase that is too long, the answer lists the words that were not read", async () => {
  const session = await engine.open(video);
  const prompt: EnginePrompt = { kind: "concept", text: `red circle${" big".repeat(40)}`, replace: false };
  const answer = await session.prompt({ frame: frame(0), prompt });
  expect(answer.vocabulary?.unknownWords.length).toBeGreaterThanOrEqual(42 - 16);
});

test("a policy that contradicts itself is refused, and no session stays behind", async () => {
  await expect(engine.open({ ...video, policy: { hotstart_delay: 7 } })).rejects.toMatchObject({
    code: "invalid_field",
    field: "policy.hotstart_unmatch_thresh",
  });
});

test("a frame of another size is refused before it reaches the model", async () => {
  const session = await engine.open(video);
  const small = { index: 0, rgb: new Uint8Array(12) };
  const refusal = { code: "internal", message: expect.stringContaining("this one has 12") };
  await expect(session.prompt({ frame: small, prompt: box })).rejects.toMatchObject(refusal);
  await expect(session.push({ frame: small })).rejects.toMatchObject(refusal);
});

test("a frame pushed ahead is encoded once, and the outputs are the same", async () => {
  async function propagate(ahead: number) {
    const session = await engine.open(video);
    await session.prompt({ frame: frame(0), prompt: box });
    await session.begin(pass);
    const outputs = [];
    for (let index = 0, pushed = 0; index < 3; index++) {
      for (; pushed <= Math.min(2, index + ahead); pushed++) await session.push({ frame: frame(pushed) });
      outputs.push(...(await session.next()));
    }
    return outputs;
  }
  const before = encodings();
  const inTurn = await propagate(0);
  const between = encodings();
  expect(await propagate(1)).toEqual(inTurn);
  // The first frame was encoded for its prompt.
  expect([between - before, encodings() - between]).toEqual([3, 3]);
  expect(inTurn.map(({ objects }) => objects.length)).toEqual([1, 1, 1]);
});

test("a pushed frame is accepted out of turn, and encoded before its step is requested", async () => {
  const session = await engine.open(video);
  const encoded = async () => {
    await session.describe();
    return encodings();
  };
  await session.prompt({ frame: frame(0), prompt: box });
  await session.begin(pass);
  const before = await encoded();
  const order: string[] = [];
  const prompted = session.prompt({ frame: frame(2), prompt: box }).then(() => order.push("prompt"));
  const pushed = session.push({ frame: frame(1) }).then(() => order.push("push"));
  await Promise.all([prompted, pushed]);
  expect(order).toEqual(["push", "prompt"]);
  await until(async () => (await encoded()) === before + 2);
  expect(await session.next()).toHaveLength(1);
  expect(await encoded()).toBe(before + 2);
});

test("the time inside the runtime is counted by graph and by thread, each at most the time that passed", async () => {
  const before = engine.stats();
  const start = performance.now();
  const session = await engine.open(video);
  await session.prompt({ frame: frame(0), prompt: box });
  await session.begin(pass);
  for (const index of [0, 1]) await session.push({ frame: frame(index) });
  await session.next();
  await session.push({ frame: frame(2) });
  await session.next();
  await session.next();
  const elapsed = (performance.now() - start) / 1000;
  const after = engine.stats();
  for (const thread of ["encode", "main"] as const) {
    const spent = after.runSecondsByThread[thread] - before.runSecondsByThread[thread];
    expect(spent).toBeGreaterThan(0);
    expect(spent).toBeLessThanOrEqual(elapsed);
  }
  const sum = Object.values(after.graphs).reduce((seconds, { ms }) => seconds + ms / 1000, 0);
  const { encode, main } = after.runSecondsByThread;
  expect(encode + main).toBeCloseTo(sum, 6);
});

test("each graph reports its share of the inference process's memory", () => {
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

test("a provider that is not available is logged with the reason; the next one is used and reported", async () => {
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

test("a provider that is not available is tried once, also when it is the only one", async () => {
  const warnings: string[] = [];
  const log = { info() {}, warn: (_: object, message: string) => void warnings.push(message), error() {} };
  const started = createEngine({ packDir: compactPackDir, providers: ["tensorrt"], threads: 1, log });
  await expect(started).rejects.toThrow(/encode\.onnx: no configured provider could open it/);
  expect(warnings.filter((line) => line.includes("could not open"))).toHaveLength(1);
});

/** A shaded white ball on noisy grass, narrowed as the frame of a wide video is when it becomes a square. */
function narrowedBall(): EngineFrame {
  const side = engine.pack.inputSize;
  const rgb = new Uint8Array(side * side * 3);
  let state = 7;
  for (let pixel = 0; pixel < side * side; pixel++) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    const noise = state / 2 ** 31;
    const [x, y] = [pixel % side, Math.floor(pixel / side)];
    const [dx, dy] = [(x - side / 2) / 40, (y - side / 2) / 70];
    const white = 235 - 110 * Math.max(0, dx + dy + 0.3) + 6 * noise;
    const grass = [50 + 50 * noise + 20 * Math.sin(x / 9 + y / 17), 110 + 70 * noise, 30 + 30 * noise];
    rgb.set(dx * dx + dy * dy < 1 ? [white, white, 0.98 * white] : grass, 3 * pixel);
  }
  return { index: 0, rgb };
}

test("phrases are looked for in the proportions of the video", async () => {
  const probabilityIn = async (width: number, height: number) => {
    const session = await engine.open({ width, height, numFrames: 1 });
    const prompt: EnginePrompt = { kind: "concept", text: "baseball", replace: false };
    const { output } = await session.prompt({ frame: narrowedBall(), prompt });
    await session.close();
    return output.objects[0]?.prob ?? 0;
  };
  const [wide, square, tall] = [
    await probabilityIn(640, 360),
    await probabilityIn(400, 400),
    await probabilityIn(360, 640),
  ];
  expect(wide).toBeGreaterThan(0.75);
  expect(square).toBeLessThan(wide - 0.1);
  expect(tall).toBe(0);
});
