/** The adapter for functions of a CVAT server over HTTP: the requests of its `lambda_manager`, and wrong ones. */
import { request as httpRequest } from "node:http";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { decodeMask, encodeMask } from "../../protocol/index.js";
import { rowRunsOf } from "../../server/exports/row-runs.js";
import { makeKeys } from "../helpers/keys.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

const [WIDTH, HEIGHT] = [96, 64];
const ENDED = "The session of this track has ended; start the track again on this frame.";

let server: TestServer;
let engine: ScriptedEngine;
/** Pictures as CVAT sends them: base64. */
let pictures: string[];

/** A box that moves by 4 pixels a frame, as wide as the id of its object is large. Object 3 is gone from frame 2 on. */
function boxOf(objectId: number, frameIndex: number) {
  const isGone = objectId === 3 && frameIndex >= 2;
  return { x: 4 + 4 * frameIndex, y: 8, width: isGone ? 0 : 10 + objectId, height: isGone ? 0 : 12 };
}

function drawObject(objectId: number, frameIndex: number) {
  const { x, y, width, height } = boxOf(objectId, frameIndex);
  const bits = new Uint8Array(WIDTH * HEIGHT);
  for (let row = y; row < y + height; row++) bits.fill(1, row * WIDTH + x, row * WIDTH + x + width);
  const boxXywh: [number, number, number, number] = [x / WIDTH, y / HEIGHT, width / WIDTH, height / HEIGHT];
  return { mask: encodeMask(bits, WIDTH, HEIGHT), boxXywh };
}

async function picture(index: number, width = WIDTH, height = HEIGHT): Promise<string> {
  const background = { r: 20 * index, g: 90, b: 60 };
  const jpeg = await sharp({ create: { width, height, channels: 3, background } })
    .jpeg()
    .toBuffer();
  return jpeg.toString("base64");
}

beforeAll(async () => {
  pictures = await Promise.all(Array.from({ length: 12 }, (_, index) => picture(index)));
  engine = createScriptedEngine({ drawObject });
  server = await startTestServer({ adapters: ["cvat"], cvatLabels: ["dog", "red ball"] }, { engine });
});

afterAll(() => server.close());

afterEach(async () => {
  for (const hosted of server.predictor.sessions.all) await hosted.close();
});

// biome-ignore lint/suspicious/noExplicitAny: the answers of the tests have many forms
type Json = any;

interface Answer {
  status: number;
  reason: string;
  json: Json;
}

/** The headers that CVAT sends with every request to Nuclio. */
const HEADERS = {
  "x-nuclio-project-name": "cvat",
  "x-nuclio-function-namespace": "nuclio",
  "x-nuclio-invoke-via": "domain-name",
  "X-Nuclio-Invoke-Timeout": "120s",
};

async function send(path: string, init: RequestInit = {}, base = server.http): Promise<Answer> {
  const response = await fetch(base + path, {
    ...init,
    headers: { ...HEADERS, ...(init.headers as Record<string, string>) },
  });
  const text = await response.text();
  return {
    ...{ status: response.status, reason: response.statusText },
    json: /^[[{]/.test(text) ? JSON.parse(text) : undefined,
  };
}

const invoke = (kind: string, body: unknown, headers: Record<string, string> = {}, base = server.http) =>
  send(
    "/api/function_invocations",
    {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...{ "x-nuclio-function-name": `masklet-${kind}`, "x-nuclio-path": "/" },
        ...headers,
      },
      body: typeof body === "string" ? body : JSON.stringify(body),
    },
    base,
  );

const start = (shapes: unknown[], image = pictures[0]) => invoke("tracker", { image, shapes, states: [] });

const proceed = (states: unknown[], image = pictures[1]) =>
  invoke("tracker", { image, shapes: states.map(() => null), states });

const rectangle = { type: "rectangle", points: [4, 8, 20, 20] };

function maskPoints(): number[] {
  const { runs, box } = rowRunsOf(drawObject(0, 0).mask);
  const [x, y, width, height] = box;
  return [...runs, x, y, x + width - 1, y + height - 1];
}

async function nothingIsLeft(): Promise<void> {
  await until(async () =>
    (await server.predictor.shares.total()).every(
      ({ name, used }) => used === 0 || !["sessions", "uploads", "diskBytes", "transfers"].includes(name),
    ),
  );
}

const socketCount = async () =>
  (await server.predictor.shares.total()).find(({ name }) => name === "connections")?.used ?? 0;

describe("the list of functions", () => {
  test("is that of Nuclio's dashboard, also below /cvat", async () => {
    const { json } = await send("/api/functions");
    expect(Object.keys(json)).toEqual(["masklet-tracker", "masklet-interactor", "masklet-detector"]);
    expect((await send("/cvat/api/functions")).json).toEqual(json);
    for (const [id, one] of Object.entries<Json>(json)) {
      // What LambdaFunction of CVAT reads.
      expect(one.metadata.name).toBe(id);
      expect(one.spec.description).toBeTypeOf("string");
      expect(one.status).toEqual({ state: "ready", httpPort: server.port });
      for (const value of Object.values(one.metadata.annotations)) expect(value).toBeTypeOf("string");
      expect((await send(`/api/functions/${id}`)).json).toEqual(one);
    }
    const kinds = Object.values<Json>(json).map(({ metadata }) => metadata.annotations.type);
    expect(kinds).toEqual(["tracker", "interactor", "detector"]);
    expect(json["masklet-tracker"].metadata.annotations.supported_shape_types).toBe("mask,polygon,rectangle");
    expect(Number(json["masklet-interactor"].metadata.annotations.version)).toBeGreaterThanOrEqual(2);
    expect(JSON.parse(json["masklet-detector"].metadata.annotations.spec)).toEqual([
      { id: 0, name: "dog", type: "mask", attributes: [] },
      { id: 1, name: "red ball", type: "mask", attributes: [] },
    ]);
  });

  test("has no detector without phrases", async () => {
    const other = await startTestServer({ adapters: ["cvat"] }, { engine: createScriptedEngine() });
    try {
      const { json } = await send("/api/functions", {}, other.http);
      expect(Object.keys(json)).toEqual(["masklet-tracker", "masklet-interactor"]);
      const refused = await invoke("detector", { image: pictures[0] }, {}, other.http);
      expect([refused.status, refused.reason]).toEqual([
        404,
        'There is no function "masklet-detector": expected one of masklet-tracker, masklet-interactor.',
      ]);
    } finally {
      await other.close();
    }
  });

  test("an unknown function, and an invocation without a name", async () => {
    expect((await send("/api/functions/other")).reason).toMatch(/^There is no function "other"/);
    const { status, reason } = await send("/api/function_invocations", { method: "POST", body: "{}" });
    expect([status, reason.slice(0, 32)]).toEqual([400, "x-nuclio-function-name: missing:"]);
  });
});

describe("the tracker", () => {
  test("follows masks, polygons and rectangles of one picture in one session", async () => {
    const shapes = [
      { type: "mask", points: maskPoints() },
      { type: "polygon", points: [4, 8, 20, 8, 20, 20, 4, 20] },
      rectangle,
    ];
    const started = await start(shapes);
    expect(started.status).toBe(200);
    expect(started.json.shapes).toEqual(shapes);
    const { states } = started.json;
    expect(states).toHaveLength(3);
    expect(server.predictor.sessions.count).toBe(1);
    const pushed = engine.pushed.length;
    const next = (await proceed(states)).json;
    expect(next.states).toEqual(states);
    const [mask, polygon, box] = next.shapes;
    const expected = drawObject(0, 1).mask;
    expect(mask.type).toBe("mask");
    const [x0, y0, x1, y1] = mask.points.slice(-4);
    expect([x0, y0, x1, y1]).toEqual([8, 8, 17, 19]);
    expect(mask.points.slice(0, -4)).toEqual(rowRunsOf(expected).runs);
    expect(polygon).toMatchObject({ type: "polygon" });
    expect(new Set(polygon.points)).toEqual(new Set([8, 8 + 11, 20]));
    expect(box).toEqual({ type: "rectangle", points: [8, 8, 8 + 12, 20] });
    // The picture was tracked once, also when it is sent again, as for a part of the tracks.
    const again = await proceed([states[2]]);
    expect(again.json).toEqual({ shapes: [box], states: [states[2]] });
    expect(engine.pushed.length - pushed).toBe(1);
  });

  test("an object that leaves is null, and its state stays usable", async () => {
    const { states } = (await start([rectangle, rectangle, rectangle, rectangle])).json;
    expect((await proceed(states, pictures[1])).json.shapes[3]).toMatchObject({ type: "rectangle" });
    const { shapes, states: kept } = (await proceed(states, pictures[2])).json;
    expect(shapes[3]).toBeNull();
    expect(shapes[0]).toMatchObject({ type: "rectangle" });
    expect(kept).toEqual(states);
    expect((await proceed(states, pictures[3])).status).toBe(200);
  });

  test("bare corners, as earlier versions of CVAT send them, are answered in their form", async () => {
    const { states } = (await start([rectangle.points])).json;
    const { json } = await invoke("tracker", { image: pictures[1], shapes: [rectangle.points], states });
    expect(json.shapes).toEqual([[8, 8, 18, 20]]);
  });

  test("two tracks in two sessions continue together", async () => {
    const [first] = (await start([rectangle])).json.states;
    const [second] = (await start([rectangle], pictures[4])).json.states;
    const { status, json } = await proceed([second, first], pictures[5]);
    expect([status, json.states]).toEqual([200, [second, first]]);
    expect(server.predictor.sessions.count).toBe(2);
  });

  test("requests for one session at the same time are answered in order", async () => {
    const { states } = (await start([rectangle])).json;
    const answers = await Promise.all([1, 2, 3, 4].map((index) => proceed(states, pictures[index])));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });
});

describe("the interactor", () => {
  const click = { image: "", pos_points: [[10, 10]], neg_points: [], obj_bbox: [] as unknown };

  test("returns the rows of a mask for points and a box, and keeps the picture open", async () => {
    const image = pictures[6];
    const { json } = await invoke("interactor", { ...click, image });
    expect(Object.keys(json)).toEqual(["mask"]);
    // The masks of predictions of the scripted engine have 4 x 4 pixels.
    expect(json.mask).toHaveLength(4);
    expect(json.mask.flat().filter((one: number) => one === 1)).toHaveLength(4);
    const sessions = server.predictor.sessions.count;
    const box = [
      [2, 2],
      [200, 30],
    ];
    expect(
      (await invoke("interactor", { ...click, image, neg_points: [[50, 50]], obj_bbox: box })).status,
    ).toBe(200);
    expect((await invoke("interactor", { ...click, image, pos_points: [], obj_bbox: box })).status).toBe(200);
    expect((await invoke("interactor", { ...click, image, obj_bbox: null })).status).toBe(200);
    expect(server.predictor.sessions.count).toBe(sessions);
  });

  test("opens the picture again when its session has ended", async () => {
    const image = pictures[7];
    await invoke("interactor", { ...click, image });
    for (const hosted of server.predictor.sessions.all) await hosted.close();
    expect((await invoke("interactor", { ...click, image })).status).toBe(200);
  });

  test("without a positive point and without a box", async () => {
    const { status, reason } = await invoke("interactor", {
      ...click,
      ...{ image: pictures[6], pos_points: [], neg_points: [[5, 5]] },
    });
    expect([status, reason]).toEqual([
      400,
      "pos_points: expected a positive point or a box (obj_bbox), got neither.",
    ]);
    await nothingIsLeft();
  });
});

test("the detector returns the masks and outlines of all phrases, and keeps nothing open", async () => {
  const { status, json } = await invoke("detector", { image: pictures[0], threshold: 0.4 });
  expect(status).toBe(200);
  expect(json.map(({ label }: Json) => label)).toContain("dog");
  expect(json.map(({ label }: Json) => label)).toContain("red ball");
  const [found] = json;
  expect(found).toMatchObject({ type: "mask", confidence: "0.9" });
  const [x0, y0, x1, y1] = found.mask.slice(-4);
  expect(found.mask).toHaveLength((x1 - x0 + 1) * (y1 - y0 + 1) + 4);
  expect(found.points.length).toBeGreaterThanOrEqual(6);
  // As DetectionResultConverter of CVAT reads it.
  const { data } = decodeMask(drawObject(0, 0).mask);
  const cut = [];
  for (let y = y0; y <= y1; y++) for (let x = x0; x <= x1; x++) cut.push(data[y * WIDTH + x]);
  expect(found.mask.slice(0, -4)).toEqual(cut);
  await nothingIsLeft();
});

describe("wrong requests", () => {
  test.each<[string, () => Promise<Answer>, number, RegExp]>([
    ["no JSON", () => invoke("tracker", '{"image":'), 400, /^The body: expected JSON\./],
    ["a list", () => invoke("tracker", []), 400, /^expected an object, got an array of 0$/],
    ["no picture", () => invoke("tracker", { shapes: [rectangle] }), 400, /^image: missing/],
    [
      "no base64",
      () => invoke("tracker", { image: "%%", shapes: [rectangle] }),
      400,
      /^image: expected a picture as base64, got "%%"\.$/,
    ],
    [
      "spaces in place of a picture",
      () => invoke("tracker", { image: `A${" ".repeat(1_000_000)}!`, shapes: [rectangle] }),
      400,
      /^image: expected a picture as base64/,
    ],
    [
      "a rectangle without corners",
      () => start([{ type: "rectangle", points: [] }]),
      400,
      /^shapes\[0\]\.points: expected two corners .* got none\.$/,
    ],
    [
      "a text as picture",
      () => start([rectangle], btoa("hello there, no picture")),
      400,
      /^image: expected a picture \(JPEG, PNG, WebP, BMP, TIFF, GIF\), got text\.$/,
    ],
    [
      "a damaged picture",
      () => start([rectangle], btoa("\x89PNG\r\n\x1a\n")),
      422,
      /^image: Frame 0 cannot be read: the picture is damaged\.$/,
    ],
    [
      "neither shapes nor states",
      () => start([]),
      400,
      /^shapes: expected shapes to start tracks, or states to continue them/,
    ],
    [
      "null as a shape",
      () => start([null]),
      400,
      /^shapes\[0\]: expected a shape to start a track, got null\.$/,
    ],
    [
      "a shape of another type",
      () => start([{ type: "ellipse", points: [1, 2, 3, 4] }]),
      400,
      /^shapes\[0\]: expected a shape with points/,
    ],
    [
      "a rectangle outside",
      () => start([{ type: "rectangle", points: [-20, 0, -5, 20] }]),
      400,
      /^shapes\[0\]\.points: expected two corners of a rectangle inside the picture of 96 x 64 pixels, got -20, 0, -5, 20\.$/,
    ],
    [
      "a polygon outside",
      () => start([rectangle, { type: "polygon", points: [200, 0, 220, 0, 210, 9] }]),
      400,
      /^shapes\[1\]\.points\[0\]: expected 0\.\.96 pixels, got 200$/,
    ],
    [
      "a polygon of two corners",
      () => start([{ type: "polygon", points: [1, 1, 5, 5] }]),
      400,
      /^shapes\[0\]\.points: expected at least 6 items, got an array of 4$/,
    ],
    [
      "a mask larger than the picture",
      () => start([{ type: "mask", points: [0, 20_000, 0, 0, 199, 99] }]),
      400,
      /^shapes\[0\]\.points: expected run lengths of a box inside 96 x 64 pixels/,
    ],
    [
      "a mask of other run lengths",
      () => start([{ type: "mask", points: [0, 5, 0, 0, 9, 9] }]),
      400,
      /got a box of 10 x 10 with runs of 5 pixels\.$/,
    ],
    [
      "a mask without pixels",
      () => start([{ type: "mask", points: [4, 0, 0, 1, 1] }]),
      400,
      /^shapes\[0\]\.points: expected at least one pixel inside, got none$/,
    ],
    ["a state that is a number", () => proceed([7]), 400, /^states\[0\]: expected a string, got /],
    ["a state that is null", () => proceed([null]), 400, /^states\[0\]: expected a string, got /],
    [
      "a threshold above 1",
      () => invoke("detector", { image: pictures[0], threshold: 3 }),
      400,
      /^threshold: /,
    ],
    [
      "a box of three corners",
      () =>
        invoke("interactor", {
          image: pictures[0],
          pos_points: [[1, 1]],
          obj_bbox: [
            [1, 1],
            [2, 2],
            [3, 3],
          ],
        }),
      400,
      /^obj_bbox: expected two corners, or none/,
    ],
    [
      "a point outside",
      () => invoke("interactor", { image: pictures[0], pos_points: [[500, 1]] }),
      400,
      /^pos_points\[0\]: expected a point inside the picture of 96 x 64 pixels, got 500, 1\.$/,
    ],
  ])("%s: CVAT shows a sentence, and nothing stays open", async (_name, act, status, sentence) => {
    const answer = await act();
    expect([answer.status, answer.reason]).toEqual([status, expect.stringMatching(sentence)]);
    await nothingIsLeft();
    // The next request works.
    expect((await start([rectangle])).status).toBe(200);
  });

  test("states of a session that has ended, of an unknown one, and of another client of the server", async () => {
    const { states } = (await start([rectangle])).json;
    for (const hosted of server.predictor.sessions.all) await hosted.close();
    const response = await fetch(`${server.http}/v1/handle_request`, {
      method: "POST",
      body: JSON.stringify({ type: "start_session", live: true }),
    });
    const { session_id } = (await response.json()) as { session_id: string };
    for (const state of [states[0], "x", "", "a/0", `${session_id}/0`])
      expect(await proceed([state])).toMatchObject({ status: 404, reason: ENDED });
    const other = (await start([rectangle])).json.states[0];
    expect(await proceed([`${other}1`])).toMatchObject({ status: 404, reason: ENDED });
    expect((await proceed([other])).status).toBe(200);
  });

  test("a picture of another size continues no track", async () => {
    const { states } = (await start([rectangle])).json;
    const { status, reason } = await proceed(states, await picture(1, 40, 20));
    expect(status).toBeGreaterThanOrEqual(400);
    expect(reason).toMatch(/40/);
    expect((await proceed(states, pictures[2])).status).toBe(200);
  });

  test("a body that is cut short leaves nothing behind", async () => {
    const body = JSON.stringify({ image: pictures[0], shapes: [rectangle], states: [] });
    const sending = httpRequest(`${server.http}/api/function_invocations`, {
      method: "POST",
      headers: { "x-nuclio-function-name": "masklet-tracker", "content-length": body.length },
    });
    sending.on("error", () => {});
    sending.write(body.slice(0, body.length / 2));
    await until(async () =>
      (await server.predictor.shares.total()).some(({ name, used }) => name === "transfers" && used > 0),
    );
    sending.destroy();
    await nothingIsLeft();
    expect((await start([rectangle])).status).toBe(200);
  });

  test("a sender that leaves during the start leaves no session behind", async () => {
    const release = engine.hold("prompt");
    const prompts = engine.calls.filter((call) => call === "prompt 0").length;
    const sending = httpRequest(`${server.http}/api/function_invocations`, {
      method: "POST",
      agent: false,
      headers: { "x-nuclio-function-name": "masklet-tracker" },
    });
    sending.on("error", () => {});
    sending.end(JSON.stringify({ image: pictures[0], shapes: [rectangle], states: [] }));
    await until(async () => engine.calls.filter((call) => call === "prompt 0").length > prompts);
    const sockets = await socketCount();
    sending.destroy();
    // The server has seen that the sender is gone.
    await until(async () => (await socketCount()) < sockets);
    release();
    await nothingIsLeft();
  });
});

describe("sessions that CVAT never ends", () => {
  test("are bounded: the one that was used least recently ends", async () => {
    const tracks: string[] = [];
    for (let track = 0; track < 7; track++) tracks.push((await start([rectangle])).json.states[0]);
    expect(server.predictor.sessions.count).toBe(6);
    expect(await proceed([tracks[0]])).toMatchObject({ status: 404, reason: ENDED });
    expect((await proceed([tracks[1]])).status).toBe(200);
    await start([rectangle]);
    // The second one was used since.
    expect((await proceed([tracks[1]])).status).toBe(200);
    expect((await proceed([tracks[2]])).status).toBe(404);
  });

  test("end by themselves, and make place for others where the share of the owner is small", async () => {
    const small = await startTestServer(
      { adapters: ["cvat"], maxSessionsPerOwner: 2, idleTimeoutMs: 300, expiryWarningMs: 10 },
      { engine: createScriptedEngine({ drawObject }) },
    );
    const body = { image: pictures[0], shapes: [rectangle], states: [] };
    try {
      for (let track = 0; track < 4; track++)
        expect((await invoke("tracker", body, {}, small.http)).status).toBe(200);
      expect(small.predictor.sessions.count).toBeLessThanOrEqual(2);
      await until(async () => small.predictor.sessions.count === 0);
    } finally {
      await small.close();
    }
  });
});

describe("a server with keys", () => {
  test("accepts a key as the password of Basic, and keeps the tracks of two owners apart", async () => {
    const { keysFile, keys } = makeKeys("ann", "bob");
    const keyed = await startTestServer(
      { adapters: ["cvat"], keysFile },
      { engine: createScriptedEngine({ drawObject }) },
    );
    const basic = (key: string) => ({ authorization: `Basic ${btoa(`cvat:${key}`)}` });
    try {
      const refused = await send("/api/functions", {}, keyed.http);
      expect([refused.status, refused.reason]).toEqual([
        401,
        "This masklet server requires a key: CVAT can send one from a netrc file.",
      ]);
      expect((await send("/api/functions", { headers: basic(keys.ann) }, keyed.http)).status).toBe(200);
      const body = { image: pictures[0], shapes: [rectangle], states: [] };
      const { states } = (await invoke("tracker", body, basic(keys.ann), keyed.http)).json;
      const next = { image: pictures[1], shapes: [null], states };
      expect(await invoke("tracker", next, basic(keys.bob), keyed.http)).toMatchObject({
        ...{ status: 404, reason: ENDED },
      });
      expect((await invoke("tracker", next, basic(keys.ann), keyed.http)).status).toBe(200);
    } finally {
      await keyed.close();
    }
  });
});
