/** Annotation tools and a WebSocket client on one server: at the same time, for a long time, and with requests that no tool sends. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mutationsOf } from "../helpers/json-mutations.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

const FRAMES = 6;
const MAX_SESSIONS = 20;
/** Sessions that Label Studio's adapter keeps open. */
const MAX_TASKS_OPEN = 4;
/** Sessions that CVAT's adapter keeps open. */
const MAX_TRACKS_OPEN = 6;

// biome-ignore lint/suspicious/noExplicitAny: requests and answers of the tools
type Json = any;

let server: TestServer;
let studio: Server;
let clip: string;
let pictures: string[];
/** A picture as CVAT sends it. */
let base64: string;

beforeAll(async () => {
  clip = await makeClip({ name: "together.mp4", frames: FRAMES, fps: 25, width: 96, height: 64 });
  const bytes = readFileSync(clip);
  studio = createServer((_, response) => response.end(bytes));
  await new Promise<void>((resolve) => studio.listen(0, "127.0.0.1", resolve));
  const picture = await sharp({ create: { width: 96, height: 64, channels: 3, background: "#888" } })
    .jpeg()
    .toBuffer();
  base64 = picture.toString("base64");
  pictures = Array.from({ length: FRAMES }, () => `data:image/jpeg;base64,${picture.toString("base64")}`);
  server = await startTestServer(
    {
      adapters: ["cvat", "label-studio", "x-anylabeling"],
      cvatLabels: ["man"],
      labelStudioUrl: `http://127.0.0.1:${(studio.address() as AddressInfo).port}`,
      maxSessionsPerOwner: MAX_SESSIONS,
    },
    { engine: createScriptedEngine() },
  );
});

afterAll(async () => {
  await server.close();
  studio.closeAllConnections();
  await new Promise((resolve) => studio.close(resolve));
});

/** @param path before "#" a path of the server, after it the function of CVAT */
const post = async (path: string, body: unknown): Promise<{ status: number; text: string }> => {
  const [route, name] = path.split("#");
  const response = await fetch(`${server.http}${route}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(name && { "x-nuclio-function-name": name }) },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
};

const predictRequest = (task: number): Json => ({
  tasks: [
    { id: task, data: { video: `/data/upload/1/${task}.mp4` }, drafts: [], annotations: [], predictions: [] },
  ],
  project: "1.1795882273",
  label_config: `<View><Labels name="label" toName="video"><Label value="Man"/></Labels>
    <Video name="video" value="$video" framerate="25"/><VideoRectangle name="box" toName="video"/></View>`,
  params: {
    login: null,
    password: null,
    context: {
      result: [
        {
          ...{ id: `r${task}`, type: "videorectangle", from_name: "box", to_name: "video", origin: "manual" },
          value: {
            ...{ framesCount: FRAMES, duration: 0.24, labels: ["Man"] },
            sequence: [
              { frame: 1, enabled: true, rotation: 0, x: 15, y: 30, width: 25, height: 25, time: 0.04 },
            ],
          },
        },
      ],
    },
  },
});

/** One task of Label Studio: a box becomes a track. */
async function labelStudio(task: number): Promise<void> {
  const { status, text } = await post("/label-studio/predict", predictRequest(task));
  expect(status).toBe(200);
  const [region] = JSON.parse(text).results[0].result;
  expect(region.meta).toBeUndefined();
  expect(region.value.sequence.length).toBeGreaterThan(1);
}

const xAnyLabeling = (path: string, body: object) =>
  post(`/x-anylabeling/v1/video/${path}`, { model: "masklet_video", ...body });

async function initFrames(): Promise<string> {
  const { status, text } = await xAnyLabeling("init", { frames: pictures, start_frame_index: 0 });
  expect(status).toBe(200);
  return JSON.parse(text).data.session_id;
}

/** One folder of X-AnyLabeling: a phrase is tracked. */
async function folderOfXAnyLabeling(): Promise<void> {
  const session_id = await initFrames();
  const params = { conf_threshold: 0.25, epsilon_factor: 0.001 };
  const prompted = await xAnyLabeling("prompt", { session_id, text_prompt: "man", frame_index: 0, params });
  expect(prompted.status).toBe(200);
  const { text } = await xAnyLabeling("propagate/stream", {
    session_id,
    start_frame: 0,
    end_frame: FRAMES - 1,
  });
  const last = JSON.parse((text.trim().split("\n\n").at(-1) as string).replace(/^data: /, ""));
  expect([last.type, Object.keys(last.results).length]).toEqual(["completed", FRAMES]);
  expect((await post(`/x-anylabeling/v1/video/cleanup/${session_id}`, "")).status).toBe(200);
}

/** One object of CVAT: a box is tracked on three pictures. */
async function cvat(): Promise<void> {
  const invoke = (shapes: Json, states: Json) =>
    post("/api/function_invocations#masklet-tracker", { image: base64, shapes, states });
  const started = await invoke([{ type: "rectangle", points: [10, 10, 40, 40] }], []);
  expect(started.status).toBe(200);
  const { states } = JSON.parse(started.text);
  for (let frame = 0; frame < 3; frame++) expect((await invoke([null], states)).status).toBe(200);
}

/** One video of a client of the protocol. */
async function webSocket(): Promise<void> {
  const client = await server.connect();
  const { session_id } = await client.expectResponse({ type: "start_session", resource_path: clip });
  await client.expectResponse({ type: "add_prompt", session_id, frame_index: 0, text: "man" });
  const { frames } = await client.stream({ type: "propagate_in_video", session_id });
  expect(frames).toHaveLength(FRAMES);
  await client.expectResponse({ type: "close_session", session_id });
  await client.close();
}

const used = async (name: string) =>
  (await server.predictor.shares.total()).find((share) => share.name === name)?.used ?? 0;

test("three tools and a client of the protocol work at the same time", async () => {
  for (let round = 0; round < 3; round++) {
    await Promise.all([
      ...[labelStudio(round), folderOfXAnyLabeling(), webSocket(), labelStudio(100 + round)],
      ...[cvat(), cvat()],
    ]);
  }
  await until(async () => server.predictor.sessions.count <= MAX_TASKS_OPEN + MAX_TRACKS_OPEN);
  for (const hosted of server.predictor.sessions.all) await hosted.close();
}, 900_000);

test("200 tasks that are opened and left keep four sessions, and no uploads", async () => {
  for (let task = 1000; task < 1200; task += 4)
    await Promise.all([0, 1, 2, 3].map((next) => labelStudio(task + next)));
  await until(async () => server.predictor.sessions.count <= MAX_TASKS_OPEN);
  expect(await used("uploads")).toBeLessThanOrEqual(MAX_TASKS_OPEN);
  expect(await used("transfers")).toBe(0);
  await folderOfXAnyLabeling();
}, 900_000);

test("mutated requests get an answer of the adapter, and the next request works", async () => {
  const session_id = await initFrames();
  const params = { conf_threshold: 0.25, epsilon_factor: 0.001 };
  const requests: [string, Json][] = [
    ["/label-studio/predict", predictRequest(7)],
    [
      "/label-studio/setup",
      { project: "1.1", schema: "<View/>", hostname: "http://localhost:8080", access_token: "x" },
    ],
    [
      "/x-anylabeling/v1/video/init",
      { model: "masklet_video", frames: pictures.slice(0, 2), start_frame_index: 0 },
    ],
    [
      "/x-anylabeling/v1/video/prompt",
      { session_id, model: "masklet_video", text_prompt: "man", frame_index: 0, params },
    ],
    [
      "/x-anylabeling/v1/video/prompt",
      {
        session_id,
        model: "masklet_video",
        frame_index: 2,
        points: [[0.3, 0.3]],
        point_labels: [1],
        obj_id: 10000,
        params,
      },
    ],
    [
      "/x-anylabeling/v1/video/propagate/stream",
      { session_id, model: "masklet_video", start_frame: 0, end_frame: 5 },
    ],
    [
      "/x-anylabeling/v1/predict",
      { model: "masklet_image", image: pictures[0], params: { text_prompt: "man" } },
    ],
  ];
  const { text: started } = await post("/api/function_invocations#masklet-tracker", {
    ...{ image: base64, shapes: [{ type: "rectangle", points: [10, 10, 40, 40] }], states: [] },
  });
  const { states } = JSON.parse(started);
  const shapes = [
    { type: "mask", points: [0, 100, 10, 10, 19, 19] },
    { type: "polygon", points: [10, 10, 40, 10, 40, 40] },
    { type: "rectangle", points: [10, 10, 40, 40] },
  ];
  requests.push(
    ["/api/function_invocations#masklet-tracker", { image: base64, shapes, states: [] }],
    ["/api/function_invocations#masklet-tracker", { image: base64, shapes: [null], states }],
    [
      "/api/function_invocations#masklet-interactor",
      {
        ...{ image: base64, pos_points: [[20, 20]], neg_points: [[50, 50]] },
        obj_bbox: [
          [10, 10],
          [40, 40],
        ],
      },
    ],
    ["/api/function_invocations#masklet-detector", { image: base64, threshold: 0.5 }],
  );
  const [kept = ""] = states[0].split("/");
  await fc.assert(
    fc.asyncProperty(mutationsOf(requests), async ({ path, body, at, to }) => {
      const { status, text } = await post(path, body);
      // A fault of the server has the status 500, and its text names no field.
      expect([path, at, to, status < 500, text.includes("internal")]).toEqual([path, at, to, true, false]);
      for (const hosted of server.predictor.sessions.all)
        if (![session_id, kept].includes(hosted.id) && server.predictor.sessions.count > MAX_SESSIONS / 2)
          await hosted.close();
    }),
    { numRuns: 450, seed: 17 },
  );
  await labelStudio(8);
  await folderOfXAnyLabeling();
  await cvat();
}, 900_000);
