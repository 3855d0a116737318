/** The adapter for Label Studio over HTTP: the requests that version 1.23.2 sends, and mutations of them. */
import { readFileSync } from "node:fs";
import { createServer, request as httpRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { decodeBrush } from "../../server/exports/brush.js";
import { withConcepts } from "../helpers/concept-engine.js";
import { makeKeys } from "../helpers/keys.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

const TOKEN = "0123456789abcdef0123456789abcdef01234567";
const FRAMES = 10;

let server: TestServer;
let engine: ScriptedEngine;
/** Stands for Label Studio, which serves the media of its tasks. */
let studio: Server;
let studioUrl: string;
const fetched: string[] = [];
let taskId = 0;

beforeAll(async () => {
  const clip = readFileSync(
    await makeClip({ name: "task.mp4", frames: FRAMES, fps: 25, width: 96, height: 64 }),
  );
  const picture = await sharp({ create: { width: 96, height: 64, channels: 3, background: "#888" } })
    .jpeg()
    .toBuffer();
  const small = await sharp({ create: { width: 40, height: 20, channels: 3, background: "#888" } })
    .jpeg()
    .toBuffer();
  studio = createServer((request, response) => {
    const { url = "" } = request;
    fetched.push(url);
    if (request.headers.authorization !== `Token ${TOKEN}`) response.writeHead(401).end();
    else if (url === "/data/upload/1/clip.mp4") response.end(clip);
    else if (url.startsWith("/data/upload/1/page")) response.end(picture);
    else if (url === "/data/upload/1/small.jpg") response.end(small);
    else if (url === "/moved") response.writeHead(302, { location: "/data/upload/1/clip.mp4" }).end();
    else if (url === "/elsewhere")
      response.writeHead(302, { location: "http://evil.example/clip.mp4" }).end();
    else if (url === "/page") response.end("<!doctype html><title>Label Studio</title>".padEnd(4000));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => studio.listen(0, "127.0.0.1", resolve));
  studioUrl = `http://127.0.0.1:${(studio.address() as AddressInfo).port}`;
  engine = createScriptedEngine();
  server = await startTestServer(
    {
      adapters: ["label-studio"],
      labelStudioUrl: studioUrl,
      labelStudioToken: TOKEN,
      maxSessionsPerOwner: 3,
    },
    { engine: withConcepts(engine) },
  );
});

afterAll(async () => {
  await server.close();
  studio.closeAllConnections();
  await new Promise((resolve) => studio.close(resolve));
});

beforeEach(() => {
  taskId++;
});

const VIDEO = `<View><Labels name="label" toName="video"><Label value="Man"/><Label value="Dog"/></Labels>
  <Video name="video" value="$video" framerate="25"/><VideoRectangle name="box" toName="video"/>
  <TextArea name="phrase" toName="video"/></View>`;
const PAGES = `<View><Image name="image" valueList="$images"/><BrushLabels name="tag" toName="image"><Label value="Cat"/></BrushLabels>
  <KeyPointLabels name="kp" toName="image" smart="true"><Label value="Cat"/></KeyPointLabels></View>`;
const PICTURE = PAGES.replace('valueList="$images"', 'value="$image"');

// biome-ignore lint/suspicious/noExplicitAny: regions have many forms
type Json = any;

async function send(path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${server.http}/label-studio${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json", ...headers },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Json };
}

const video = { video: "/data/upload/1/clip.mp4" };

async function predict(
  context: Json[] | null,
  data: object = video,
  label_config = VIDEO,
  drafts: Json[] = [],
) {
  const { status, json } = await send("/predict", {
    tasks: [{ id: taskId, data, drafts, annotations: [], predictions: [] }],
    project: "1.1795882273",
    label_config,
    params: { login: null, password: null, context: context && { result: context } },
  });
  expect(status).toBe(200);
  expect(json.results).toHaveLength(1);
  return json.results[0] as { result: Json[]; score: number; model_version: string };
}

const keyframe = (frame: number, box: Partial<Record<"x" | "y" | "width" | "height", number>> = {}) => ({
  ...{ frame, enabled: true, rotation: 0, x: 15.47, y: 30.83, width: 25, height: 25, time: frame / 25 },
  ...box,
});

const region = (id: string, sequence: object[], labels = ["Man"]) => ({
  ...{ id, type: "videorectangle", from_name: "box", to_name: "video", origin: "manual" },
  value: { framesCount: FRAMES, duration: 0.4, labels, sequence },
});

const prompts = () => engine.calls.filter((call) => call.startsWith("prompt")).length;

describe("the routes", () => {
  test("answer as Label Studio expects", async () => {
    for (const path of ["/health", "/"]) expect((await send(path)).json).toMatchObject({ status: "UP" });
    const setup = {
      project: "1.1",
      schema: VIDEO,
      hostname: studioUrl,
      access_token: "x",
      extra_params: null,
    };
    expect((await send("/setup", setup)).json).toEqual({ model_version: "masklet-scripted-1" });
    expect((await send("/versions")).json).toEqual({ versions: ["masklet-scripted-1"] });
    for (const action of ["START_TRAINING", "ANNOTATION_CREATED", "ANNOTATIONS_DELETED", "OTHER"])
      expect((await send("/webhook", { action })).status).toBe(200);
  });

  test("ask for the key as the password of Basic", async () => {
    const { keysFile, keys } = makeKeys("ann");
    const keyed = await startTestServer(
      { adapters: ["label-studio"], keysFile },
      { engine: createScriptedEngine() },
    );
    const statusOf = async (authorization?: string) =>
      (
        await fetch(`${keyed.http}/label-studio/health`, {
          headers: { ...(authorization && { authorization }) },
        })
      ).status;
    try {
      expect(await statusOf()).toBe(401);
      expect(await statusOf(`Basic ${btoa(`label-studio:${keys.ann}`)}`)).toBe(200);
    } finally {
      await keyed.close();
    }
  });
});

describe("a video", () => {
  test("a drawn box becomes a track over the whole clip, with the id and the labels of its region", async () => {
    const { result, score, model_version } = await predict([region("r1", [keyframe(3)])]);
    expect(result).toHaveLength(1);
    expect(result[0]).toMatchObject({
      id: "r1",
      type: "videorectangle",
      from_name: "box",
      to_name: "video",
      score: 0.9,
    });
    expect(result[0].value).toMatchObject({ framesCount: FRAMES, duration: 0.4, labels: ["Man"] });
    expect(result[0].value.sequence.map(({ frame }: Json) => frame)).toEqual([1, FRAMES]);
    expect([score, model_version]).toEqual([0.9, "masklet-scripted-1"]);
    expect(engine.calls).toContain("prompt 2");
  });

  test("our own keyframes are no prompts; a changed one is a correction", async () => {
    const [first] = (await predict([region("r1", [keyframe(1)])])).result;
    const before = prompts();
    await predict([first]);
    expect(prompts()).toBe(before);
    const sequence = [...first.value.sequence, keyframe(6)].sort((a, b) => a.frame - b.frame);
    const [again] = (await predict([{ ...first, value: { ...first.value, sequence } }])).result;
    expect(prompts()).toBe(before + 1);
    expect(engine.calls.findLast((call) => call.startsWith("prompt"))).toBe("prompt 5");
    expect(again.id).toBe("r1");
  });

  test("a rotated box marks what it encloses", async () => {
    const before = engine.calls.length;
    const [turned] = (await predict([region("r1", [{ ...keyframe(1, { x: -5, y: 40 }), rotation: 90 }])]))
      .result;
    // It reaches over the left edge of the picture: nothing of it is inside.
    expect(turned.value.sequence).toHaveLength(1);
    expect(turned.meta.text[0]).toMatch("outside the picture");
    expect(engine.calls.slice(before).filter((call) => call.startsWith("prompt"))).toEqual([]);
  });

  test("an end of the lifespan is taken back by its button, and by deleting its keyframe", async () => {
    const [first] = (await predict([region("r1", [keyframe(1)])])).result;
    const withSequence = (sequence: object[]) => [{ ...first, value: { ...first.value, sequence } }];
    const isEnabled = ({ enabled }: Json) => enabled;
    for (const undo of [
      (sequence: Json[]) => sequence.map((one) => ({ ...one, enabled: true })),
      (sequence: Json[]) => sequence.filter(isEnabled),
    ]) {
      const end = { ...keyframe(4), enabled: false };
      const [ended] = (await predict(withSequence([...first.value.sequence.slice(0, 1), end]))).result;
      expect(ended.value.sequence.at(-1)).toMatchObject({ frame: 4, enabled: false });
      const [again] = (await predict(withSequence(undo(ended.value.sequence)))).result;
      expect(again.value.sequence).toEqual(first.value.sequence);
      expect(again.meta).toBeUndefined();
    }
  });

  test("several regions, one of them twice, are tracked together; a label may be missing", async () => {
    const before = prompts();
    const b = { ...region("b", [keyframe(2)]), value: { framesCount: FRAMES, sequence: [keyframe(2)] } };
    const { result } = await predict([region("a", [keyframe(1)]), b, b]);
    expect(result.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(result[1].value.labels).toBeUndefined();
    expect(prompts() - before).toBe(2);
  });

  test("a phrase of a text area gives new regions", async () => {
    const phrase = {
      id: "t",
      type: "textarea",
      from_name: "phrase",
      to_name: "video",
      value: { text: ["red ball"] },
    };
    const { result } = await predict([phrase]);
    expect(result).toMatchObject([{ type: "videorectangle", value: { labels: ["Man"] } }]);
    const drafted = await predict([region("r1", [keyframe(1)])], { video: "/moved" }, VIDEO, [
      { result: [phrase] },
    ]);
    expect(drafted.result.length).toBe(2);
  });

  test("a box around the whole frame finds the same objects for each annotator, and for a batch", async () => {
    const whole = (id: string) => region(id, [keyframe(1, { x: 0, y: 0, width: 100, height: 100 })]);
    const [a] = (await predict([whole("a")])).result;
    expect(a.value.sequence).toHaveLength(2);
    const second = await predict([whole("b")]);
    expect(second.result).toMatchObject([{ id: "b", value: { sequence: a.value.sequence } }]);
    const [, more] = (await predict([a, whole("c")])).result;
    expect(more.meta.text).toEqual(["masklet: Every instance that is found has a region."]);
    expect((await predict(null)).result.map(({ value }) => value.labels)).toEqual([["Man"], ["Dog"]]);
  });

  test("a batch searches for the names of the labels", async () => {
    const { result, score } = await predict(null);
    expect(result.map(({ value }) => value.labels)).toEqual([["Man"], ["Dog"]]);
    expect(new Set(result.map(({ id }) => id)).size).toBe(2);
    expect(score).toBeCloseTo(0.9);
  });

  test("a session that has ended is opened again with its prompts", async () => {
    const [first] = (await predict([region("r1", [keyframe(1)])])).result;
    for (const hosted of server.predictor.sessions.all) await hosted.close();
    const before = prompts();
    const [again] = (await predict([first])).result;
    expect(again.value.sequence).toEqual(first.value.sequence);
    expect(prompts() - before).toBe(1);
  });

  test("a deleted region and a closed tab are answered at once", async () => {
    const before = fetched.length;
    expect((await predict([])).result).toEqual([]);
    expect(fetched.length).toBe(before);
  });
});

describe("pictures", () => {
  const pages = { images: [1, 2, 3].map((page) => `/data/upload/1/page${page}.jpg`) };
  const click = (id: string, fields: object = {}) => ({
    ...{ id, type: "keypointlabels", from_name: "kp", to_name: "image", item_index: 0, is_positive: true },
    ...{ original_width: 96, original_height: 64, image_rotation: 0 },
    value: { x: 29.2, y: 26.6, width: 0.23, keypointlabels: ["Cat"] },
    ...fields,
  });

  test("one click fills all pages with brush masks", async () => {
    const { result } = await predict([click("k1")], pages, PAGES);
    expect(result.map(({ item_index }) => item_index)).toEqual([0, 1, 2]);
    expect(result[0]).toMatchObject({
      ...{ type: "brushlabels", from_name: "tag", to_name: "image", original_width: 96, original_height: 64 },
      value: { format: "rle", brushlabels: ["Cat"] },
    });
    // The masks of the scripted engine have 4x4 pixels.
    expect(decodeBrush(result[0].value.rle, 4, 4).size).toEqual([4, 4]);
  });

  test("further clicks of the same object replace its masks", async () => {
    const [first] = (await predict([click("k1")], pages, PAGES)).result;
    const [again] = (await predict([click("k1"), click("k2", { is_positive: false })], pages, PAGES)).result;
    expect(again.id).toBe(first.id);
  });

  test("a box marks an object of a single picture", async () => {
    const box = {
      ...click("b1"),
      type: "rectanglelabels",
      value: { x: 10, y: 10, width: 40, height: 40, rectanglelabels: ["Cat"] },
    };
    const { item_index: _, ...single } = box;
    const { result } = await predict([single], { image: pages.images[0] }, PICTURE);
    expect(result).toHaveLength(1);
    expect(result[0].item_index).toBeUndefined();
  });

  test("a negative click without an object gives nothing", async () => {
    expect((await predict([click("k1", { is_positive: false })], pages, PAGES)).result).toEqual([]);
  });
});

describe("failures", () => {
  test.each<[string, unknown, RegExp]>([
    ["media that is missing", "/data/upload/1/none.mp4", /answers with the status 404/],
    [
      "media that is a page",
      "/page",
      /^masklet: \/page: The file is text; videos \(MP4, .* are supported\.$/,
    ],
    [
      "another host",
      "http://evil.example/clip.mp4",
      /evil\.example is not a host that MASKLET_LABEL_STUDIO_HOSTS names/,
    ],
    ["a redirect to another host", "/elsewhere", /evil\.example is not a host/],
    ["an address of a cloud", "s3://bucket/clip.mp4", /expected an address of http or https/],
    ["no address", undefined, /expected the address of a file/],
  ])("%s: the region stays, with a note", async (_name, address, sentence) => {
    const given = region("r1", [keyframe(1)]);
    const { result } = await predict([given], { video: address });
    expect(result).toMatchObject([{ id: "r1", value: given.value }]);
    expect(result[0].meta.text[0]).toMatch(/^masklet: /);
    expect(result[0].meta.text[0]).toMatch(sentence);
    // The next request works, and the note goes.
    const [works] = (await predict([result[0]])).result;
    expect(works.meta).toBeUndefined();
  });

  test("pages of different sizes give no masks, and the log has the sentence", async () => {
    const images = ["/data/upload/1/page1.jpg", "/data/upload/1/small.jpg"];
    const given = {
      ...{ id: "k1", type: "keypointlabels", from_name: "kp", to_name: "image", item_index: 0 },
      ...{ is_positive: true, value: { x: 29, y: 26, width: 0.2, keypointlabels: ["Cat"] } },
    };
    expect((await predict([given], { images }, PAGES)).result).toEqual([]);
    const works = await predict([given], { images: images.slice(0, 1) }, PAGES);
    expect(works.result).toHaveLength(1);
  });

  test("a Label Studio that cannot be reached", async () => {
    const other = await startTestServer(
      { adapters: ["label-studio"], labelStudioUrl: "http://127.0.0.1:9" },
      { engine: createScriptedEngine() },
    );
    try {
      const response = await fetch(`${other.http}/label-studio/predict`, {
        method: "POST",
        body: JSON.stringify({
          ...{ tasks: [{ id: 1, data: video }], project: "1.1", label_config: VIDEO },
          params: { context: { result: [region("r1", [keyframe(1)])] } },
        }),
      });
      const { results } = (await response.json()) as Json;
      expect(results[0].result[0].meta.text).toEqual([
        "masklet: The media of the task: 127.0.0.1:9 cannot be reached.",
      ]);
    } finally {
      await other.close();
    }
  });

  test("a label that is no known word: the region stays, with a note", async () => {
    const config = VIDEO.replace('value="Dog"', 'value="nothing"');
    const whole = keyframe(1, { x: 0, y: 0, width: 100, height: 100 });
    const { result } = await predict([region("r1", [whole], ["nothing"])], video, config);
    expect(result).toHaveLength(1);
    expect(result[0].meta.text).toEqual([
      'masklet: Nothing is found for "nothing": the model may not know the word.',
    ]);
    const again = await predict([{ ...region("r2", [whole], ["nothing"]), meta: {} }], video, config);
    expect(again.result[0].meta.text).toHaveLength(1);
    const batch = await predict(null, { video: "/moved" }, config);
    expect(batch.result.map(({ value }) => value.labels)).toEqual([["Man"]]);
  });

  test("a request that is cut short leaves nothing behind", async () => {
    const body = JSON.stringify({ tasks: [{ id: 1, data: video }], label_config: VIDEO });
    const sending = httpRequest(`${server.http}/label-studio/predict`, {
      method: "POST",
      headers: { "content-length": body.length },
    });
    sending.on("error", () => {});
    sending.write(body.slice(0, body.length / 2));
    const used = async () =>
      (await server.predictor.shares.total()).find(({ name }) => name === "transfers")?.used;
    await until(async () => (await used()) === 1);
    sending.destroy();
    await until(async () => (await used()) === 0);
    expect((await predict([region("r1", [keyframe(1)])])).result[0].meta).toBeUndefined();
  });

  test("boxes outside the frame", async () => {
    const [cut] = (await predict([region("r1", [keyframe(1, { x: -10, width: 30 })])])).result;
    expect(cut.value.sequence.length).toBeGreaterThan(1);
    const [outside] = (await predict([region("r2", [keyframe(1, { x: 120 })])])).result;
    expect(outside.meta.text).toEqual(["masklet: The box on frame 1 is outside the picture."]);
  });

  test("only Label Studio gets the token", () => {
    expect(fetched.some((url) => url.includes("evil"))).toBe(false);
  });

  test.each([
    ['{"tasks":', "The body: expected JSON."],
    ['{"tasks":[]}', "label_config: missing"],
    ["[]", "expected an object, got an array of 0"],
    [
      '{"label_config":"<View/>","tasks":[{"id":null,"data":{}}]}',
      "tasks[0].id: expected an integer, or a string, got null",
    ],
  ])("the body %s", async (body, message) => {
    const response = await fetch(`${server.http}/label-studio/predict`, { method: "POST", body });
    expect([response.status, ((await response.json()) as Json).error.message]).toEqual([400, message]);
  });

  test("more tasks than sessions: the sessions that are idle end in favour of others", async () => {
    for (let task = 0; task < 8; task++) {
      taskId += 100;
      expect((await predict([region("r1", [keyframe(1)])])).result[0].meta).toBeUndefined();
    }
    await until(async () => server.predictor.sessions.count <= 3);
    const shares = await server.predictor.shares.total();
    expect(shares.find(({ name }) => name === "uploads")?.used).toBeLessThanOrEqual(3);
  });

  test("two annotators on one task wait for each other", async () => {
    const answers = await Promise.all(["a", "b", "c"].map((id) => predict([region(id, [keyframe(1)])])));
    expect(answers.map(({ result }) => result[0].id)).toEqual(["a", "b", "c"]);
  });
});
