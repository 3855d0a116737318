/** What bounds `predict`: its pixels, the turns of others, and the presence of its client. */
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createPredictor, type Predictor } from "../../server/index.js";
import type { RawClient } from "../helpers/client.js";
import { makeClip, mediaPath } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

const [WIDTH, HEIGHT] = [1600, 1000];
const clicks = (prompts: number) => ({
  point_coords: Array.from({ length: prompts }, (_, index): [number, number][] => [[0.1 + index / 100, 0.5]]),
  point_labels: Array.from({ length: prompts }, (): 1[] => [1]),
});

async function makePicture(name: string): Promise<string> {
  const path = mediaPath(name);
  const create = { width: WIDTH, height: HEIGHT, channels: 3 as const, background: "#987654" };
  await sharp({ create }).jpeg().toFile(path);
  return path;
}

describe("a picture with the real model", { timeout: 120_000 }, () => {
  let predictor: Predictor;
  let session_id: string;
  const ask = (prompts: number, more: object = {}) =>
    predictor.handleRequest({ type: "predict", session_id, ...clicks(prompts), ...more });

  beforeAll(async () => {
    const maxPredictedPixelsPerOwner = 200 * WIDTH * HEIGHT;
    predictor = createPredictor({ logLevel: "silent", threads: 1, maxPredictedPixelsPerOwner });
    const resource_path = await makePicture("large-picture.jpg");
    ({ session_id } = await predictor.handleRequest({ type: "start_session", resource_path }));
  });
  afterAll(() => predictor.close());

  test("refuses more pixels than the limit, and names it", async () => {
    const strict = createPredictor({
      logLevel: "silent",
      threads: 1,
      maxPredictedPixelsPerOwner: 5 * WIDTH * HEIGHT,
    });
    try {
      const resource_path = mediaPath("large-picture.jpg");
      const { session_id } = await strict.handleRequest({ type: "start_session", resource_path });
      const predict = (prompts: number, multimask_output: boolean) =>
        strict.handleRequest({ type: "predict", session_id, ...clicks(prompts), multimask_output });
      await expect(predict(2, true)).rejects.toMatchObject({
        code: "prediction_too_large",
        limit: "maxPredictedPixelsPerOwner",
        message: expect.stringContaining(`have ${6 * WIDTH * HEIGHT} pixels`),
      });
      expect((await predict(5, false)).masks).toHaveLength(5);
      // The pixels are free again.
      expect((await predict(5, false)).masks).toHaveLength(5);
    } finally {
      await strict.close();
    }
  });

  test("answers the prompt of another session before it has rendered all masks", async () => {
    const other = await predictor.handleRequest({
      type: "start_session",
      resource_path: mediaPath("large-picture.jpg"),
    });
    const order: string[] = [];
    const predicted = ask(64).then(() => order.push("64 x 3 masks"));
    for (let click = 0; click < 3; click++) {
      await predictor.handleRequest({
        type: "add_prompt",
        session_id: other.session_id,
        frame_index: 0,
        obj_id: 1,
        points: [[0.5, 0.5]],
        point_labels: [1],
      });
      order.push("click");
    }
    await predicted;
    expect(order).toEqual(["click", "click", "click", "64 x 3 masks"]);
    await predictor.handleRequest({ type: "close_session", session_id: other.session_id });
  });

  test("ends between two masks when its client leaves", async () => {
    const client = predictor.connect({ owner: "someone" });
    const resource_path = mediaPath("large-picture.jpg");
    const started = await client.answer({ type: "start_session", resource_path } as never);
    const id = (started as { session_id: string }).session_id;
    const leaving = new AbortController();
    const request = {
      type: "predict",
      session_id: id,
      frame_index: 0,
      multimask_output: true,
      ...clicks(64),
    };
    const runs = () => predictor.stats().engine?.graphs.render?.runs ?? 0;
    // Counts arrive with the answers of the inference process.
    const update = () => predictor.handleRequest({ type: "get_session", session_id });
    await update();
    const before = runs();
    const answer = client.answer(request as never, { signal: leaving.signal });
    const refused = expect(answer).rejects.toThrow("the client left");
    await until(async () => {
      await update();
      return runs() > before + 2;
    });
    leaving.abort(new Error("the client left"));
    await refused;
    await client.answer({ type: "get_session", session_id: id });
    expect(runs() - before).toBeLessThan((64 * 3) / 2);
    client.release();
  });
});

describe("over a WebSocket", () => {
  let clip: string;
  let engine: ScriptedEngine;
  let server: TestServer;
  let client: RawClient;
  let token: string;
  const predict = { type: "predict", session_id: "s", request_id: "p", ...clicks(1) };

  beforeAll(async () => {
    clip = await makeClip({ name: "predict-limits.mp4", frames: 4 });
  });
  beforeEach(async () => {
    engine = createScriptedEngine();
    server = await startTestServer({}, { engine });
    client = await server.connect();
    const started = await client.expectResponse({
      type: "start_session",
      session_id: "s",
      resource_path: clip,
    });
    token = started.session_token as string;
  });
  afterEach(() => server.close());

  const attach = (one: RawClient) => one.expectResponse({ type: "attach_session", session_token: token });
  const responses = (one: RawClient) =>
    one.received.filter((message) => message.type === "response" && message.request_id === "p").length;

  test("a request whose connection is lost is not pending: it is sent again, and answered once", async () => {
    const release = engine.hold("predict");
    client.send(predict);
    await engine.called("predict 0");
    client.terminate();
    await until(
      async () => (await fetch(`${server.http}/readyz`)).ok && server.predictor.sessions.count === 1,
    );
    const next = await server.connect();
    let pending: unknown;
    await until(async () => {
      ({ pending } = await attach(next));
      return (pending as string[]).length === 0;
    });
    next.send(predict);
    await next.arrived();
    release();
    await next.first((message) => message.type === "response" && message.request_id === "p");
    await next.expectResponse({ type: "get_session", session_id: "s" });
    expect(responses(next)).toBe(1);
  });

  test("a request of a connection that another one takes over is pending, and answered there", async () => {
    const release = engine.hold("predict");
    client.send(predict);
    await engine.called("predict 0");
    const next = await server.connect();
    expect((await attach(next)).pending).toEqual(["p"]);
    release();
    await next.first((message) => message.type === "response" && message.request_id === "p");
  });

  test("requests that wait together are no leak of listeners", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on("warning", note);
    try {
      const release = engine.hold("predict");
      const ids = Array.from({ length: 20 }, (_, index) => `p${index}`);
      for (const request_id of ids) client.send({ ...predict, request_id });
      // Only then, because requests of a connection without the session are refused.
      await until(async () => ((await attach(client)).pending as string[]).length === ids.length);
      const next = await server.connect();
      expect((await attach(next)).pending).toHaveLength(ids.length);
      release();
      for (const id of ids)
        await next.first((message) => message.type === "response" && message.request_id === id);
    } finally {
      process.off("warning", note);
    }
    expect(warnings.filter(({ name }) => name === "MaxListenersExceededWarning")).toEqual([]);
  });
});
