/** The adapter for X-AnyLabeling over HTTP: the requests that version 4.2.1 sends, and mutations of them. */
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeKeys } from "../helpers/keys.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

let server: TestServer;
let engine: ScriptedEngine;
let frames: string[];

const HEADERS = { "content-type": "application/json", token: "" };

interface Recorded {
  method: string;
  path: string;
  body?: Record<string, unknown>;
}

const recorded = JSON.parse(
  readFileSync(new URL("recorded/x-anylabeling-4.2.1.json", import.meta.url), "utf8"),
) as Recorded[];

beforeAll(async () => {
  frames = await Promise.all(Array.from({ length: 6 }, (_, index) => picture(128, 112, index)));
  engine = createScriptedEngine();
  server = await startTestServer({ adapters: ["x-anylabeling"], maxSessionsPerOwner: 4 }, { engine });
});

afterAll(() => server.close());

afterEach(async () => {
  for (const { id } of server.predictor.sessions.all) await cleanUp(id);
});

async function picture(width: number, height: number, index = 0): Promise<string> {
  const background = { r: 40 * index, g: 90, b: 60 };
  const jpeg = await sharp({ create: { width, height, channels: 3, background } })
    .jpeg()
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString("base64")}`;
}

interface Answer {
  status: number;
  reason: string;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the answers of the tests have many forms
  json: any;
}

async function send(
  path: string,
  body?: unknown,
  headers: Record<string, string> = HEADERS,
): Promise<Answer> {
  const response = await fetch(`${server.http}/x-anylabeling${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers,
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = text.startsWith("{") ? JSON.parse(text) : undefined;
  return { status: response.status, reason: response.statusText, text, json };
}

const init = (pictures = frames) =>
  send("/v1/video/init", { model: "masklet_video", frames: pictures, start_frame_index: 0 });

async function start(): Promise<string> {
  return (await init()).json.data.session_id;
}

const prompt = (session_id: string, fields: object) =>
  send("/v1/video/prompt", { session_id, model: "masklet_video", ...fields });

const cleanUp = (session_id: string) => send(`/v1/video/cleanup/${session_id}?model=masklet_video`, "");

const eventsOf = ({ text }: Answer) =>
  text
    .split("\n\n")
    .filter(Boolean)
    .map((event) => JSON.parse(event.replace(/^data: /, "")));

async function nothingIsLeft(): Promise<void> {
  const held = async () => (await server.predictor.shares.total()).filter(({ used }) => used > 0);
  await until(async () =>
    (await held()).every(({ name }) => !["sessions", "uploads", "diskBytes", "transfers"].includes(name)),
  );
}

describe("the requests of X-AnyLabeling 4.2.1", () => {
  test("are all answered as the window expects", async () => {
    let sessionId = "";
    const answers: Answer[] = [];
    for (const { method, path, body } of recorded) {
      if (path === "/v1/video/init" && sessionId) await cleanUp(sessionId);
      const text = JSON.stringify(body ?? {})
        .replace('"FRAMES"', JSON.stringify(frames))
        .replace("IMAGE", frames[0] as string)
        .replace('"s-1"', JSON.stringify(sessionId));
      const answer = await send(
        path.replace("s-1", sessionId),
        method === "GET" ? undefined : body ? text : "",
      );
      expect([path, answer.status]).toEqual([path, 200]);
      if (path === "/v1/video/init") sessionId = answer.json.data.session_id;
      answers.push(answer);
    }
    const at = (path: string) => answers.filter((_, index) => recorded[index]?.path === path);
    expect(at("/v1/models")[0]?.json.data.masklet_video.batch_processing_mode).toBe("video");
    expect(at("/v1/video/init")[0]?.json).toMatchObject({
      success: true,
      data: { num_frames: 6, start_frame_index: 0 },
    });
    const [byText, click, clicks] = at("/v1/video/prompt");
    expect(byText?.json.data).toMatchObject({
      frame_index: 0,
      num_objects: 1,
      masks: [{ shape_type: "polygon", score: 0.9, group_id: 1 }],
    });
    expect(click?.json.data.masks[0]).toMatchObject({ label: "AUTOLABEL_OBJECT", group_id: 10001 });
    expect(clicks?.json.data).toMatchObject({ frame_index: 2, num_objects: 1 });
    const [whole, part] = at("/v1/video/propagate/stream").map(eventsOf);
    expect(whole?.map(({ type }) => type)).toEqual(["started", ...Array(6).fill("progress"), "completed"]);
    expect(whole?.[0]).toEqual({ type: "started", total_frames: 6, start_frame_index: 0 });
    expect(whole?.at(-2)).toEqual({ type: "progress", current_frame: 5, total_frames: 6, progress: 1 });
    expect(Object.keys(whole?.at(-1).results)).toEqual(["0", "1", "2", "3", "4", "5"]);
    // The end is inclusive.
    expect(Object.keys(part?.at(-1).results)).toEqual(["2", "3", "4", "5"]);
    expect(part?.at(-1).results["5"].masks[0]).toMatchObject({ shape_type: "polygon", group_id: 10001 });
    const [byPhrase, byClick] = at("/v1/predict");
    expect(byPhrase?.json.data).toMatchObject({ shapes: [{ group_id: null }], replace: null });
    expect(byClick?.json.data).toMatchObject({ shapes: [{ label: "AUTOLABEL_OBJECT" }], replace: false });
  });

  test("end a session with its files", async () => {
    await cleanUp(await start());
    await nothingIsLeft();
    expect((await cleanUp("s-1")).status).toBe(200);
  });
});

describe("prompts", () => {
  test("several phrases of one text are separate concepts, and a new text replaces them", async () => {
    const id = await start();
    const seen = () => engine.calls.filter((call) => /^(prompt|reset)/.test(call)).length;
    const before = seen();
    expect((await prompt(id, { frame_index: 0, text_prompt: "cat, dog." })).json.data.num_objects).toBe(2);
    expect(seen() - before).toBe(2);
    expect((await prompt(id, { frame_index: 1, text_prompt: "bird" })).json.data.num_objects).toBe(1);
    expect(engine.calls.slice(-2)).toEqual(["reset", "prompt 1"]);
  });

  test("a phrase that is refused leaves no earlier phrase of its text behind", async () => {
    const id = await start();
    const { status, reason } = await prompt(id, { frame_index: 0, text_prompt: `cat, ${"x".repeat(300)}` });
    expect([status, reason]).toEqual([
      400,
      expect.stringMatching(/^text_prompt: expected at most 200 characters/),
    ]);
    expect((await prompt(id, { frame_index: 0, text_prompt: "dog" })).json.data.num_objects).toBe(1);
  });

  test("clicks that continue refine an object, others on the frame start a new one, clicks elsewhere correct it", async () => {
    const id = await start();
    const click = (frame_index: number, ...points: number[][]) =>
      prompt(id, { frame_index, points, point_labels: points.map(() => 1), obj_id: 10000 });
    await click(2, [0.3, 0.4]);
    await click(2, [0.3, 0.4], [0.5, 0.5]);
    await click(4, [0.6, 0.6]);
    expect(engine.calls.slice(-3)).toEqual(["prompt 2", "prompt 2", "prompt 4"]);
    await click(2, [0.9, 0.9]);
    expect(engine.calls.slice(-2)).toEqual(["reset", "prompt 2"]);
  });

  test("a range before the prompt is computed backward", async () => {
    const id = await start();
    await prompt(id, { frame_index: 4, text_prompt: "cat" });
    const events = eventsOf(
      await send("/v1/video/propagate/stream", { session_id: id, start_frame: 1, end_frame: 2 }),
    );
    expect(
      events.filter(({ type }) => type === "progress").map(({ current_frame }) => current_frame),
    ).toEqual([1, 2]);
    expect(Object.keys(events.at(-1).results)).toEqual(["1", "2"]);
  });
});

describe("failures", () => {
  test.each<[string, () => unknown, number, RegExp]>([
    ["no JSON", () => '{"frames":', 400, /expected JSON/],
    [
      "JSON that is cut short",
      () => JSON.stringify({ model: "m", frames }).slice(0, -3),
      400,
      /expected JSON/,
    ],
    ["a list", () => [], 400, /^frames: expected at least one picture/],
    ["no frames", () => ({ model: "m", frames: [] }), 400, /^frames: expected at least one picture/],
    [
      "text as a frame",
      () => ({ model: "m", frames: [frames[0], "x"] }),
      400,
      /^frames\[1\]: expected a data URL of a picture, got another string\.$/,
    ],
    [
      "no base64",
      () => ({ model: "m", frames: ["data:image/png,abc"] }),
      400,
      /^frames\[0\]: expected a base64 data URL, got "data:image\/png,"/,
    ],
    [
      "a text file",
      () => ({ model: "m", frames: [frames[0], `data:image/png;base64,${btoa("hello there")}`] }),
      400,
      /^frames\[1\]: expected a picture \(JPEG, PNG, WebP, BMP, TIFF, GIF\), got text\.$/,
    ],
    ...[
      "%PDF-1.4",
      "\x01\x02\x03",
      "",
      "PK\x05\x06".padEnd(22, "\0"),
      "\0\0\0\x18ftypisom".padEnd(3000, "\0"),
    ].map((bytes, at): [string, () => unknown, number, RegExp] => [
      `only files that are no pictures (${at})`,
      () => ({ model: "m", frames: [bytes, bytes].map((one) => `data:image/png;base64,${btoa(one)}`) }),
      400,
      [
        /^frames\[0\]: expected a picture \(.*\), got a PDF\.$/,
        /^frames\[0\]: expected a picture \(.*\), got a file of an unknown format\.$/,
        /^frames\[0\]: expected a picture \(.*\), got an empty file\.$/,
        /^frames\[0\]: expected a picture \(.*\), got a ZIP archive\.$/,
        /^frames\[0\]: expected a picture \(.*\), got a video\.$/,
      ][at] as RegExp,
    ]),
    [
      "damaged pictures",
      () => ({ model: "m", frames: [`data:image/png;base64,${btoa("\x89PNG\r\n\x1a\n")}`] }),
      422,
      /^The picture cannot be read: the picture is damaged\.$/,
    ],
    [
      "a picture in another field",
      () => ({ model: "m", frames, other: frames[0] }),
      400,
      /^frames: expected 6 pictures in this field, got 7 in all fields\.$/,
    ],
    ["no model", () => ({ frames }), 400, /^model: missing/],
  ])("init with %s leaves nothing behind and shows a sentence", async (_name, body, status, sentence) => {
    const answer = await send("/v1/video/init", body());
    expect([answer.status, answer.json.success]).toEqual([status, false]);
    expect(answer.reason).toMatch(sentence);
    await nothingIsLeft();
  });

  test.each<[string, object, RegExp]>([
    ["no picture", { image: 5 }, /^image: expected at least one picture as a data URL, got none\.$/],
    [
      "text as the picture",
      { image: `data:image/png;base64,${btoa("hello there")}` },
      /^image: expected a picture \(.*\), got text\.$/,
    ],
    [
      "a mark of another type",
      { params: { marks: [{ type: "circle", data: [1, 2] }] } },
      /^params\.marks\[0\]\.type: expected a mark of the type point or rectangle, got "circle"$/,
    ],
  ])("predict with %s names the field", async (_name, fields, sentence) => {
    const answer = await send("/v1/predict", { model: "masklet_image", image: frames[0], ...fields });
    expect([answer.status, answer.json.success]).toEqual([400, false]);
    expect(answer.reason).toMatch(sentence);
    await nothingIsLeft();
  });

  test.each<[string, object, RegExp]>([
    [
      "a point outside",
      {
        params: {
          marks: [
            { type: "rectangle", data: [0, 0, 9, 9] },
            { type: "point", data: [129, 3] },
          ],
        },
      },
      /^params\.marks\[1\]\.data: expected a point inside the picture of 128 x 112 pixels, got 129, 3\.$/,
    ],
    [
      "a rectangle outside",
      { params: { marks: [{ type: "rectangle", data: [-9, 0, -1, 9] }] } },
      /^params\.marks\[0\]\.data: expected two corners of a rectangle inside the picture of 128 x 112 pixels, got -9, 0, -1, 9\.$/,
    ],
    ["a phrase without a word", { params: { text_prompt: " ., " } }, /^text_prompt: expected a phrase/],
  ])(
    "predict with %s names the field, and the picture stays open for the next request",
    async (_name, fields, sentence) => {
      const picture = { model: "masklet_image", image: frames[0] };
      const answer = await send("/v1/predict", { ...picture, ...fields });
      expect([answer.status, answer.reason]).toEqual([400, expect.stringMatching(sentence)]);
      const marks = [{ type: "rectangle", data: [-5, 10, 60, 500] }];
      const next = await send("/v1/predict", { ...picture, params: { marks } });
      expect(next.json.data.shapes).toHaveLength(1);
      expect(server.predictor.sessions.count).toBe(1);
    },
  );

  test("pictures of different sizes", async () => {
    const answer = await init([frames[0] as string, await picture(20, 10)]);
    expect(answer.status).toBe(415);
    expect(answer.reason).toMatch(/^frames\[1\] is 20x10, but the first picture, frames\[0\], is 128x112/);
    await nothingIsLeft();
  });

  test("a body that is cut short leaves nothing behind", async () => {
    const body = JSON.stringify({ model: "m", frames });
    const sending = httpRequest(`${server.http}/x-anylabeling/v1/video/init`, {
      method: "POST",
      headers: { ...HEADERS, "content-length": body.length },
    });
    sending.on("error", () => {});
    sending.write(body.slice(0, body.length / 2));
    await until(async () =>
      (await server.predictor.shares.total()).some(({ name, used }) => name === "uploads" && used > 0),
    );
    sending.destroy();
    await nothingIsLeft();
    await cleanUp(await start());
  });

  test.each<[string, object, number, RegExp]>([
    [
      "both kinds",
      { text_prompt: "a", points: [[0, 0]], point_labels: [1] },
      400,
      /expected either text_prompt or points/,
    ],
    ["neither kind", {}, 400, /expected either text_prompt or points/],
    [
      "labels for other points",
      { points: [[0, 0]], point_labels: [1, 0] },
      400,
      /^point_labels: expected one label/,
    ],
    ["a point outside", { points: [[1.5, 0]], point_labels: [1] }, 400, /^points/],
    ["an empty phrase", { text_prompt: " . " }, 400, /^text_prompt: expected a phrase/],
    ["a frame outside", { text_prompt: "cat", frame_index: 6 }, 400, /^frame_index: expected 0..5, got 6/],
  ])("a prompt with %s", async (_name, fields, status, sentence) => {
    const id = await start();
    const answer = await prompt(id, { frame_index: 0, ...fields });
    expect([answer.status, answer.json.success]).toEqual([status, false]);
    expect(answer.reason).toMatch(sentence);
    expect((await prompt(id, { frame_index: 0, text_prompt: "cat" })).status).toBe(200);
  });

  test("an ended session, and one of another client of the server, do not exist", async () => {
    const response = await fetch(`${server.http}/v1/handle_request`, {
      method: "POST",
      body: JSON.stringify({ type: "start_session", live: true }),
    });
    const { session_id: own } = (await response.json()) as { session_id: string };
    for (const id of [own, "s-1"]) {
      const answers = [
        await prompt(id, { frame_index: 0, text_prompt: "cat" }),
        await send("/v1/video/propagate/stream", { session_id: id }),
      ];
      for (const { status, reason } of answers)
        expect([status, reason]).toEqual([404, `No session "${id}".`]);
    }
    await cleanUp(own);
  });

  test("a propagation without a prompt", async () => {
    const id = await start();
    const { status, reason } = await send("/v1/video/propagate/stream", { session_id: id });
    expect([status, reason]).toEqual([409, "Add a prompt before propagating."]);
  });

  test("a connection that is closed cancels the propagation", async () => {
    const id = await start();
    await prompt(id, { frame_index: 0, text_prompt: "cat" });
    const leaving = new AbortController();
    const release = engine.hold("next");
    const response = fetch(`${server.http}/x-anylabeling/v1/video/propagate/stream`, {
      method: "POST",
      body: JSON.stringify({ session_id: id }),
      signal: leaving.signal,
    });
    response.catch(() => {});
    const isBusy = () => server.predictor.sessions.all.find((hosted) => hosted.id === id)?.session?.busy;
    await until(async () => isBusy() === true);
    leaving.abort();
    release();
    await until(async () => isBusy() === false);
    const again = eventsOf(await send("/v1/video/propagate/stream", { session_id: id }));
    expect(again.at(-1).type).toBe("completed");
  });

  test("the sessions of abandoned windows end in favour of later ones, also when the owner may have few", async () => {
    for (const maxSessionsPerOwner of [2, 8]) {
      const few = await startTestServer(
        { adapters: ["x-anylabeling"], maxSessionsPerOwner },
        { engine: createScriptedEngine() },
      );
      const post = async (path: string, body: object) => {
        const response = await fetch(`${few.http}/x-anylabeling/v1${path}`, {
          method: "POST",
          body: JSON.stringify(body),
        });
        return {
          status: response.status,
          reason: response.statusText,
          json: (await response.json()) as Answer["json"],
        };
      };
      const start = async () => (await post("/video/init", { model: "m", frames })).json.data.session_id;
      const use = (session_id: string) =>
        post("/video/prompt", { session_id, frame_index: 0, text_prompt: "cat" });
      try {
        const used = await start();
        let left = "";
        for (let task = 0; task < 12; task++) {
          expect((await use(used)).status).toBe(200);
          const other = await start();
          left ||= other;
          // Pictures have places of their own.
          const picture = { model: "m", image: frames[task % 6] as string, params: { text_prompt: "cat" } };
          if (maxSessionsPerOwner === 8) expect((await post("/predict", picture)).status).toBe(200);
        }
        expect(few.predictor.sessions.count).toBe(Math.min(4, maxSessionsPerOwner));
        expect((await use(left)).status).toBe(404);
        if (maxSessionsPerOwner === 8) expect((await use(used)).status).toBe(200);
      } finally {
        await few.close();
      }
    }
  });

  test("places that other clients of the owner have taken", async () => {
    const started: string[] = [];
    for (let at = 0; at < 4; at++) {
      const body = JSON.stringify({ type: "start_session", live: true });
      const response = await fetch(`${server.http}/v1/handle_request`, { method: "POST", body });
      started.push(((await response.json()) as { session_id: string }).session_id);
    }
    const { status, reason } = await init();
    expect([status, reason]).toEqual([429, expect.stringMatching(/uses 4 of 4 sessions/)]);
    for (const id of started) await cleanUp(id);
  });

  test.each<[object, string]>([
    [{ start_frame: 6 }, "start_frame: expected 0..5, got 6."],
    [{ start_frame: 2, end_frame: 6 }, "end_frame: expected 2..5, got 6."],
    [{ start_frame: 3, end_frame: 2 }, "end_frame: expected 3..5, got 2."],
  ])("the frames %j", async (range, sentence) => {
    const id = await start();
    await prompt(id, { frame_index: 0, text_prompt: "cat" });
    const answer = await send("/v1/video/propagate/stream", { session_id: id, ...range });
    expect([answer.status, answer.reason]).toEqual([
      400,
      `${sentence} If the folder has changed, send the prompt again.`,
    ]);
  });

  test("a phrase that finds nothing: the window shows a sentence, and the next phrase is answered", async () => {
    const id = await start();
    const sentence =
      'Nothing is found for "nothing" on this picture: the model may not know the word, or the confidence 0.25 is too high.';
    const answer = await prompt(id, { frame_index: 0, text_prompt: "nothing" });
    expect([answer.status, answer.reason, answer.json.success]).toEqual([404, sentence, false]);
    expect((await prompt(id, { frame_index: 0, text_prompt: "nothing, cat" })).status).toBe(200);
    const picture = { model: "masklet_image", image: frames[0] };
    const alone = await send("/v1/predict", { ...picture, params: { text_prompt: "nothing" } });
    expect([alone.status, alone.reason]).toEqual([404, sentence]);
    expect((await send("/v1/predict", { ...picture, params: { text_prompt: "cat" } })).status).toBe(200);
  });

  test("sessions that are never cleaned up end by themselves", async () => {
    const short = await startTestServer(
      { adapters: ["x-anylabeling"], idleTimeoutMs: 50, expiryWarningMs: 10 },
      { engine: createScriptedEngine() },
    );
    try {
      const response = await fetch(`${short.http}/x-anylabeling/v1/video/init`, {
        method: "POST",
        body: JSON.stringify({ model: "m", frames }),
      });
      expect(response.status).toBe(200);
      await until(async () => short.predictor.sessions.count === 0);
    } finally {
      await short.close();
    }
  });
});

describe("a server with keys", () => {
  test("accepts the key in the header Token, on the paths of the adapter only", async () => {
    const { keysFile, keys } = makeKeys("ann");
    const key = keys.ann;
    const keyed = await startTestServer(
      { adapters: ["x-anylabeling"], keysFile },
      { engine: createScriptedEngine() },
    );
    const get = (path: string, headers: Record<string, string>) => fetch(`${keyed.http}${path}`, { headers });
    try {
      const models = "/x-anylabeling/v1/models";
      const refused = await get(models, { token: "" });
      expect([refused.status, refused.statusText]).toEqual([
        401,
        "This masklet server requires a key: enter it as the API key of the remote server.",
      ]);
      expect((await get(models, { token: "masklet_wrong" })).status).toBe(401);
      expect((await get(models, { token: key })).status).toBe(200);
      expect((await get(models, { authorization: `Bearer ${key}` })).status).toBe(200);
      expect((await get("/v1/sessions", { token: key })).status).toBe(401);
    } finally {
      await keyed.close();
    }
  });
});

test("an adapter that is not turned on has no paths, and refuses pages of others like every route", async () => {
  expect((await fetch(`${server.http}/label-studio/health`)).status).toBe(404);
  const { status } = await send("/v1/models", undefined, { origin: "http://evil.example" });
  expect(status).toBe(403);
});
