/** Requests that the tools themselves have sent, recorded by `npm run test:tools`, against the adapters. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeEnvelope, encodeMask } from "../../protocol/index.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { FPS, HEIGHT, WIDTH } from "./tools/clip.js";
import type { RecordedRequest } from "./tools/recorder.js";

// biome-ignore lint/suspicious/noExplicitAny: requests and answers of the tools
type Json = any;

const recordingOf = (name: string): (RecordedRequest & { body?: Json })[] =>
  JSON.parse(readFileSync(new URL(`recorded/${name}.json`, import.meta.url), "utf8"));

let server: TestServer;
/** Stands for Label Studio, which serves the media of its tasks. */
let studio: Server;
let picture: Buffer;

/** A box in the middle of the picture, on every frame. */
function drawObject() {
  const bits = new Uint8Array(WIDTH * HEIGHT);
  for (let row = 80; row < 120; row++) bits.fill(1, row * WIDTH + 100, row * WIDTH + 160);
  const boxXywh: [number, number, number, number] = [100 / WIDTH, 80 / HEIGHT, 60 / WIDTH, 40 / HEIGHT];
  return { mask: encodeMask(bits, WIDTH, HEIGHT), boxXywh };
}

beforeAll(async () => {
  const clip = readFileSync(
    await makeClip({ name: "recorded.mp4", frames: 30, fps: FPS, width: WIDTH, height: HEIGHT }),
  );
  picture = await sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: "#777" } })
    .jpeg()
    .toBuffer();
  studio = createServer(({ url = "" }, response) => response.end(/\.jpg$/.test(url) ? picture : clip));
  await new Promise<void>((resolve) => studio.listen(0, "127.0.0.1", resolve));
  server = await startTestServer(
    {
      adapters: ["cvat", "label-studio"],
      cvatLabels: ["red circle"],
      labelStudioUrl: `http://127.0.0.1:${(studio.address() as AddressInfo).port}`,
    },
    { engine: createScriptedEngine({ drawObject }) },
  );
});

afterAll(async () => {
  await server.close();
  studio.closeAllConnections();
  await new Promise((resolve) => studio.close(resolve));
});

async function send({ method, path, body }: RecordedRequest, headers: Record<string, string> = {}) {
  const response = await fetch(server.http + path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, json: text === "" ? undefined : (JSON.parse(text) as Json) };
}

test("Label Studio 1.23.2: every request has the answer that the page uses", async () => {
  const kinds = new Set<string>();
  for (const request of recordingOf("label-studio-1.23.2")) {
    const { status, json, text } = await send(request);
    expect([request.path, status, text.includes("masklet: ")]).toEqual([request.path, 200, false]);
    if (request.path.endsWith("/health")) expect(json.status).toBe("UP");
    if (request.path.endsWith("/setup")) expect(json.model_version).toBe("masklet-scripted-1");
    if (!request.path.endsWith("/predict")) continue;
    const given: Json[] = request.body.params.context?.result ?? [];
    expect(json.results).toHaveLength(request.body.tasks.length);
    const found: Json[] = json.results[0].result;
    for (const { type, id } of given) {
      kinds.add(type);
      if (type === "videorectangle") expect(found.map((one) => one.id)).toContain(id);
    }
    if (given.some(({ type }) => type !== "videorectangle"))
      expect(new Set(found.map(({ type }) => type))).toEqual(new Set(["brushlabels"]));
  }
  expect([...kinds].sort()).toEqual(["keypointlabels", "rectanglelabels", "videorectangle"]);
});

test("cvat-cli 2.80.0 with masklet_cvat.py: every message is answered", async () => {
  const client = await server.connect();
  const sessions = new Map<string, string>();
  const types = new Set<string>();
  /** Of the newest session and the newest upload: they are used in the order of their start. */
  let [started, uploaded] = ["", ""];
  for (const { method, path, body } of recordingOf("cvat-cli-2.80.0")) {
    // The recorded upload is resumable, without the bytes of the picture.
    if (method === "POST" && path.startsWith("/v1/uploads")) {
      const form = new FormData();
      form.append("file", new Blob([new Uint8Array(picture)]), "frame.jpg");
      const response = await fetch(`${server.http}/v1/uploads`, { method, body: form });
      uploaded = ((await response.json()) as Json).upload_id;
    }
    if (method !== "WebSocket") continue;
    const { request_id, payload_bytes, ...message } = body as Json;
    types.add(message.type);
    if (message.upload_id !== undefined) message.upload_id = uploaded;
    if (message.session_id !== undefined) {
      const known = sessions.get(message.session_id) ?? started;
      sessions.set(message.session_id, known);
      message.session_id = known;
    }
    if (payload_bytes === undefined) {
      const answer = await client.expectResponse(message);
      if (message.type === "start_session") started = answer.session_id as string;
      continue;
    }
    const header = { ...message, request_id: `push-${request_id}` };
    client.send(Buffer.from(encodeEnvelope(header, picture)));
    const answer = await client.first((one) => (one as Json).request_id === header.request_id);
    expect(answer.type).toBe("frame");
  }
  expect([...types]).toEqual(
    expect.arrayContaining(["start_session", "push_frame", "add_prompt", "predict", "close_session"]),
  );
  await client.close();
});

test("CVAT's lambda_manager, as its source sends them: every request is answered", async () => {
  const image = picture.toString("base64");
  let states: string[] = [];
  const answered: string[] = [];
  for (const request of recordingOf("cvat-lambda")) {
    const { body } = request;
    if (body?.image !== undefined) body.image = image;
    const isTracker = body?.states !== undefined;
    const isWrong = isTracker && body.states[0]?.startsWith("gone");
    if (isTracker && body.states.length > 0 && !isWrong) body.states = states;
    const kind = isTracker ? "tracker" : body?.pos_points ? "interactor" : "detector";
    const { status, json } = await send(request, { "x-nuclio-function-name": `masklet-${kind}` });
    expect([request.path, status]).toEqual([request.path, isWrong ? 404 : 200]);
    if (!body || isWrong) continue;
    answered.push(kind);
    if (isTracker) states = json.states;
    if (isTracker) expect(json.shapes).toHaveLength(3);
  }
  expect(new Set(answered)).toEqual(new Set(["tracker", "interactor", "detector"]));
});
