/** Several annotators of one task of Label Studio, and work that continues after its session has ended. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { EnginePrompt } from "../../server/engine/index.js";
import { withConcepts } from "../helpers/concept-engine.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

const FRAMES = 10;
const VIDEO = `<View><Labels name="label" toName="video"><Label value="Man"/><Label value="Dog"/></Labels>
  <Video name="video" value="$video" framerate="25"/><VideoRectangle name="box" toName="video"/>
  <TextArea name="phrase" toName="video"/></View>`;
const PAGES = `<View><Image name="image" valueList="$images"/><BrushLabels name="tag" toName="image"><Label value="Cat"/></BrushLabels>
  <KeyPointLabels name="kp" toName="image" smart="true"><Label value="Cat"/></KeyPointLabels></View>`;

// biome-ignore lint/suspicious/noExplicitAny: regions have many forms
type Json = any;

let server: TestServer;
let studio: Server;
let engine: ScriptedEngine;
const prompts: EnginePrompt[] = [];
const unknown = new Set<string>();
let taskId = 0;

beforeAll(async () => {
  const size = { width: 96, height: 64 };
  const clip = readFileSync(await makeClip({ name: "task.mp4", frames: FRAMES, fps: 25, ...size }));
  const page = await sharp({ create: { ...size, channels: 3, background: "#888" } })
    .jpeg()
    .toBuffer();
  studio = createServer(({ url = "" }, response) => response.end(url.endsWith(".mp4") ? clip : page));
  await new Promise<void>((resolve) => studio.listen(0, "127.0.0.1", resolve));
  engine = createScriptedEngine();
  const labelStudioUrl = `http://127.0.0.1:${(studio.address() as AddressInfo).port}`;
  server = await startTestServer(
    { adapters: ["label-studio"], labelStudioUrl },
    { engine: withConcepts(engine, { prompts, unknown }) },
  );
});

afterAll(async () => {
  await server.close();
  studio.closeAllConnections();
  await new Promise((resolve) => studio.close(resolve));
});

beforeEach(async () => {
  taskId++;
  await endSessions();
  prompts.length = 0;
  unknown.clear();
});

async function endSessions(): Promise<void> {
  for (const hosted of server.predictor.sessions.all) await hosted.close();
}

interface Annotator {
  /** As drafts name him; undefined before his first draft. */
  user?: string;
  /** The regions of his draft. */
  draft?: Json[];
}

async function predict(
  { user, draft = [] }: Annotator,
  context: Json[] | null,
  { data = { video: "/clip.mp4" }, config = VIDEO }: { data?: object; config?: string } = {},
): Promise<Json[]> {
  const drafts = user === undefined ? [] : [{ user, result: draft }];
  const response = await fetch(`${server.http}/label-studio/predict`, {
    method: "POST",
    body: JSON.stringify({
      tasks: [{ id: taskId, data, drafts, annotations: [], predictions: [] }],
      ...{ project: "1.1", label_config: config, params: { context: context && { result: context } } },
    }),
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as Json).results[0].result;
}

const keyframe = (frame: number, x = 10) => ({
  ...{ frame, enabled: true, rotation: 0, x, y: 20, width: 25, height: 25, time: frame / 25 },
});

const region = (id: string, sequence: object[], label = "Man") => ({
  ...{ id, type: "videorectangle", from_name: "box", to_name: "video", origin: "manual" },
  value: { framesCount: FRAMES, duration: 0.4, labels: [label], sequence },
});

const phrase = (id: string, text: string) => ({
  ...{ id, type: "textarea", from_name: "phrase", to_name: "video", value: { text: [text] } },
});

/** The region with a box on one frame moved. */
const corrected = (given: Json, frame: number, x = 40): Json => ({
  ...given,
  value: {
    ...given.value,
    sequence: [...given.value.sequence.filter((one: Json) => one.frame !== frame), keyframe(frame, x)].sort(
      (a, b) => a.frame - b.frame,
    ),
  },
});

const objectPrompts = () => prompts.flatMap((prompt) => (prompt.kind === "object" ? [prompt] : []));
const sessions = () => server.predictor.sessions.count;

describe("two annotators of one video", () => {
  test("who ask for the same phrase have regions and objects of their own", async () => {
    const [a] = await predict({}, [phrase("ta", "red ball")]);
    const [b] = await predict({}, [phrase("tb", "red ball")]);
    expect(b.id).not.toBe(a.id);
    expect(sessions()).toBe(2);
    const [again] = await predict({}, [corrected(a, 5)]);
    expect(objectPrompts()).toHaveLength(1);
    // B's region is as it was, and nothing is sent for it.
    expect((await predict({}, [b]))[0].value).toEqual(b.value);
    expect(objectPrompts()).toHaveLength(1);
    expect([again.id, sessions()]).toEqual([a.id, 2]);
  });

  test("an annotator who repeats his phrase gets the same region", async () => {
    const [a] = await predict({}, [phrase("ta", "red ball")]);
    const [again] = await predict({ user: "ann", draft: [phrase("ta", "red ball"), a] }, [
      phrase("ta", "red ball"),
    ]);
    expect([again.id, sessions()]).toEqual([a.id, 1]);
  });

  test("who begin with the same prediction, or with a copy of the other's annotation", async () => {
    const [batch] = await predict({}, null);
    const [a] = await predict({ user: "ann", draft: [batch] }, [corrected(batch, 3)]);
    expect(objectPrompts()).toHaveLength(1);
    const [b] = await predict({ user: "ben", draft: [batch] }, [corrected(batch, 7)]);
    expect(sessions()).toBe(2);
    prompts.length = 0;
    // Both continue with what they have: only their own changes are sent.
    await predict({ user: "ann", draft: [a] }, [corrected(a, 5)]);
    await predict({ user: "ben", draft: [b] }, [corrected(b, 6)]);
    expect(prompts).toHaveLength(2);
    expect(await predict({ user: "cat", draft: [b] }, [b])).toMatchObject([{ id: b.id, value: b.value }]);
  });

  test("are distinguished by their keyframes while they have no draft", async () => {
    const [batch] = await predict({}, null);
    const [a] = await predict({}, [corrected(batch, 3)]);
    const [b] = await predict({}, [corrected(batch, 7, 60)]);
    const before = objectPrompts().length;
    await predict({}, [a]);
    await predict({}, [b]);
    expect(objectPrompts().length).toBe(before);
  });

  test("the first gestures of an annotator come together when he has a draft", async () => {
    const [first] = await predict({}, [region("r1", [keyframe(1)])]);
    const [second] = await predict({}, [region("r2", [keyframe(2)], "Dog")]);
    expect(sessions()).toBe(2);
    const ann = { user: "ann", draft: [first, second] };
    const [again] = await predict(ann, [corrected(first, 6)]);
    expect([again.id, sessions()]).toEqual(["r1", 1]);
    const before = prompts.length;
    expect(await predict(ann, [second])).toMatchObject([{ id: "r2", value: second.value }]);
    expect(prompts.length).toBe(before);
  });

  test("an annotator who takes over a prediction later continues with its object", async () => {
    const [first] = await predict({ user: "ann" }, [region("r1", [keyframe(1)])]);
    const [batch] = await predict({}, null);
    prompts.length = 0;
    const ann = { user: "ann", draft: [first, batch] };
    const [again] = await predict(ann, [corrected(batch, 5)]);
    expect([again.id, again.meta]).toEqual([batch.id, undefined]);
    // His box, the phrases of the prediction, and the correction.
    expect(prompts.map(({ kind }) => kind)).toEqual(["object", "concept", "concept", "object"]);
    expect(await predict(ann, [first])).toMatchObject([{ id: "r1", value: first.value }]);
    expect(prompts).toHaveLength(4);
  });

  test("many annotators leave no more than four sessions, and each continues", async () => {
    for (let round = 0; round < 2; round++) {
      for (let at = 0; at < 8; at++) {
        const own = region(`r${at}`, [keyframe(1, at)]);
        const [answer] = await predict({ user: `user ${at}`, draft: [own] }, [own]);
        expect(answer.meta).toBeUndefined();
      }
    }
    await until(async () => sessions() <= 4);
  });
});

describe("two annotators of one sequence of pictures", () => {
  const pages = { data: { images: ["/1.jpg", "/2.jpg"] }, config: PAGES };
  /** The objects of the scripted engine cover the upper quarter of the first page. */
  const click = (id: string, x: number, y = 10, is_positive = true) => ({
    ...{ id, type: "keypointlabels", from_name: "kp", to_name: "image", item_index: 0, is_positive },
    value: { x, y, width: 0.2, keypointlabels: ["Cat"] },
  });

  test("a click on the other's mask refines a copy", async () => {
    const [a] = await predict({}, [click("a1", 10)], pages);
    await predict({}, [click("b1", 50)], pages);
    expect(objectPrompts().at(-1)?.points).toEqual([
      [0.1, 0.1],
      [0.5, 0.1],
    ]);
    const [again] = await predict({ user: "ann", draft: [a] }, [click("a1", 10), click("a2", 90)], pages);
    expect(again.id).toBe(a.id);
    expect(objectPrompts().at(-1)?.points).toEqual([
      [0.1, 0.1],
      [0.9, 0.1],
    ]);
  });

  test("a known annotator refines his own, and starts new objects beside the other's", async () => {
    const ann = await predict({ user: "ann" }, [click("a1", 10)], pages);
    const [b] = await predict({ user: "ben" }, [click("b1", 50)], pages);
    expect(objectPrompts().at(-1)?.points).toEqual([[0.5, 0.1]]);
    const [again] = await predict({ user: "ann", draft: ann }, [click("a2", 90, 10, false)], pages);
    expect(again.id).toBe(ann[0].id);
    expect(b.id).not.toBe(again.id);
    expect(objectPrompts().at(-1)).toMatchObject({ labels: [1, 0] });
  });

  test("a quick second click refines, in the same session", async () => {
    const [first] = await predict({}, [click("k1", 10)], pages);
    const opened = engine.calls.filter((call) => call === "open").length;
    const [second] = await predict({}, [click("k2", 60, 10, false)], pages);
    expect(second.id).toBe(first.id);
    expect([engine.calls.filter((call) => call === "open").length, sessions()]).toEqual([opened, 1]);
  });
});

describe("after the session has ended", () => {
  test("a region of a phrase is the object of the phrase again, with its corrections", async () => {
    const [found] = await predict({}, [phrase("t", "red ball")]);
    const [moved] = await predict({}, [corrected(found, 5)]);
    await endSessions();
    prompts.length = 0;
    const [again] = await predict({}, [moved]);
    expect([again.value, again.meta]).toEqual([moved.value, undefined]);
    expect(prompts.map(({ kind }) => kind)).toEqual(["concept", "object"]);
    expect(objectPrompts()[0]).toMatchObject({ objectId: 0 });
    // The phrase gives no second region.
    const { length } = await predict({ user: "ann", draft: [again] }, [phrase("t", "red ball")]);
    expect(length).toBe(1);
  });

  test("one that its phrase does not find again is tracked from its boxes, with a sentence", async () => {
    const [found] = await predict({}, [phrase("t", "red ball")]);
    await endSessions();
    unknown.add("red ball");
    const [again] = await predict({}, [found]);
    expect(again.id).toBe(found.id);
    expect(again.meta.text).toEqual([
      'masklet: The session had ended, and "red ball" does not find this object again: it is tracked from its boxes.',
    ]);
    expect((await predict({}, [again]))[0].meta).toBeUndefined();
    expect(objectPrompts()).toHaveLength(1);
  });

  test("a failure while the work is repeated leaves no session with a part of it", async () => {
    const [first] = await predict({}, [region("r1", [keyframe(1)])]);
    await endSessions();
    engine.failWith("prompt", new Error("no memory"));
    const [kept] = await predict({}, [first]);
    expect(kept.meta.text[0]).toMatch(/^masklet: /);
    await until(async () => sessions() === 0);
  });
});
