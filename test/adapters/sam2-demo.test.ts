/** The adapter for Meta's SAM 2 demo over HTTP: the operations of its page, and mutations of them. */
import { readFileSync } from "node:fs";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { decodeMask, encodeMask } from "../../protocol/index.js";
import { mutationsOf } from "../helpers/json-mutations.js";
import { makeKeys } from "../helpers/keys.js";
import { makeClip, makeStill, mediaDirectory } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

const FRAMES = 6;
const WIDTH = 96;
const HEIGHT = 64;
const CLIP = "gallery/demo.mp4";

let server: TestServer;
let engine: ScriptedEngine;
let clip: string;

// biome-ignore lint/suspicious/noExplicitAny: the answers of the tests have many forms
type Json = any;

const VIDEO_FIELDS = "id path posterPath width height url posterUrl";
const MASK_FIELDS = "frameIndex rleMaskList { objectId rleMask { counts size } }";

/** The document of a mutation with one input object, as the compiler of Relay writes it. */
const mutation = (field: string, type: string, fields: string) =>
  `mutation M(\n  $input: ${type}!\n) {\n  ${field}(input: $input) ${fields && `{ ${fields} }`}\n}\n`;

const DOCUMENTS = {
  startSession: mutation("startSession", "StartSessionInput", "sessionId"),
  closeSession: mutation("closeSession", "CloseSessionInput", "success"),
  addPoints: mutation("addPoints", "AddPointsInput", MASK_FIELDS),
  clearPointsInFrame: mutation("clearPointsInFrame", "ClearPointsInFrameInput", MASK_FIELDS),
  clearPointsInVideo: mutation("clearPointsInVideo", "ClearPointsInVideoInput", "success"),
  removeObject: mutation("removeObject", "RemoveObjectInput", MASK_FIELDS),
  cancelPropagateInVideo: mutation("cancelPropagateInVideo", "CancelPropagateInVideoInput", "success"),
};
const DEFAULT_VIDEO = `query DemoPageQuery { defaultVideo { ${VIDEO_FIELDS} } }`;
const VIDEOS = `query DemoVideoGalleryQuery { videos { edges { node { ${VIDEO_FIELDS} } } } }`;
const UPLOAD = `mutation useUploadVideoMutation($file: Upload!) { uploadVideo(file: $file) { ${VIDEO_FIELDS} } }`;

/** A square for each object, which moves to the right. */
function drawObject(objectId: number, frameIndex: number) {
  const [left, top, side] = [10 + 5 * frameIndex, 10 + 20 * objectId, 16];
  const bits = new Uint8Array(WIDTH * HEIGHT);
  for (let y = top; y < top + side; y++) bits.fill(1, y * WIDTH + left, y * WIDTH + left + side);
  const boxXywh = [left / WIDTH, top / HEIGHT, side / WIDTH, side / HEIGHT] as [
    number,
    number,
    number,
    number,
  ];
  return { mask: encodeMask(bits, WIDTH, HEIGHT), boxXywh };
}

beforeAll(async () => {
  clip = await makeClip({ name: "demo.mp4", frames: FRAMES, fps: 25, width: WIDTH, height: HEIGHT });
  await makeClip({ name: "other.mkv", frames: FRAMES, fps: 25, width: WIDTH, height: HEIGHT });
  await makeStill("still.png", 0);
  engine = createScriptedEngine({ drawObject });
  server = await startTestServer({ adapters: ["sam2-demo"], maxSessionsPerOwner: 8 }, { engine });
});

afterAll(() => server.close());

afterEach(async () => {
  for (const { id } of server.predictor.sessions.all) await operate("closeSession", { sessionId: id });
});

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${server.http}/sam2-demo${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, json: (await response.json()) as Json };
}

const query = (text: string, variables: object = {}, headers?: Record<string, string>) =>
  post("/graphql", { query: text, variables }, headers);

async function operate(name: keyof typeof DOCUMENTS, input: object): Promise<Json> {
  return (await query(DOCUMENTS[name], { input })).json;
}

async function start(path = CLIP): Promise<string> {
  return (await operate("startSession", { path })).data.startSession.sessionId;
}

const click = (sessionId: string, objectId: number, frameIndex = 0, fields: object = {}) =>
  operate("addPoints", {
    ...{ sessionId, frameIndex, objectId, labels: [1], points: [[0.4, 0.5]], clearOldPoints: true },
    ...fields,
  });

const propagate = (session_id: string, start_frame_index = 0, signal?: AbortSignal) =>
  fetch(`${server.http}/sam2-demo/propagate_in_video`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ session_id, start_frame_index }),
    ...(signal && { signal }),
  });

interface Part {
  headers: Record<string, string>;
  body: { frame_index: number; results: { object_id: number; mask: { size: number[]; counts: string } }[] };
}

/** Reads parts as the page does: the boundary, headers, then as many bytes as Content-Length states, and nothing after them. */
function readParts(bytes: Buffer): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf("\r\n\r\n", at);
    const [boundary, ...lines] = bytes.subarray(at, end).toString().split("\r\n");
    expect(boundary).toBe("--frame");
    const headers = Object.fromEntries(lines.map((line) => line.split(": ") as [string, string]));
    const length = Number(headers["Content-Length"]);
    parts.push({ headers, body: JSON.parse(bytes.subarray(end + 4, end + 4 + length).toString()) });
    at = end + 4 + length;
  }
  return parts;
}

const partsOf = async (response: Response) => readParts(Buffer.from(await response.arrayBuffer()));

const isEmpty = ({ size, counts }: { size: number[]; counts: string }) =>
  decodeMask({ size: size as [number, number], counts }).data.every((bit) => bit === 0);

/** For each object of an answer, whether it is visible. */
const shown = (list: Json): [number, boolean][] =>
  list.rleMaskList.map(({ objectId, rleMask }: Json) => [objectId, !isEmpty(rleMask)]);

async function nothingIsLeft(): Promise<void> {
  const held = async () => (await server.predictor.shares.total()).filter(({ used }) => used > 0);
  await until(async () =>
    (await held()).every(({ name }) => !["sessions", "uploads", "diskBytes", "transfers"].includes(name)),
  );
}

describe("the page", () => {
  test("shows the MP4 files of the media roots, with pictures, and plays them", async () => {
    const { data } = (await query(VIDEOS)).json;
    const nodes = data.videos.edges.map(({ node }: Json) => node);
    expect(nodes).toEqual([
      {
        ...{ id: Buffer.from(`Video:${CLIP}`).toString("base64"), path: CLIP, width: WIDTH, height: HEIGHT },
        ...{ posterPath: `posters/${CLIP}.jpg`, url: `${server.http}/sam2-demo/${CLIP}` },
        posterUrl: `${server.http}/sam2-demo/posters/${CLIP}.jpg`,
      },
    ]);
    expect((await query(DEFAULT_VIDEO)).json).toEqual({ data: { defaultVideo: nodes[0] } });
    const video = await fetch(nodes[0].url, { headers: { origin: "http://localhost:7262" } });
    expect(video.headers.get("content-type")).toBe("video/mp4");
    expect(Buffer.from(await video.arrayBuffer()).equals(readFileSync(clip))).toBe(true);
    const part = await fetch(nodes[0].url, { headers: { range: "bytes=4-7" } });
    expect([part.status, await part.text()]).toEqual([206, "ftyp"]);
    const head = await fetch(nodes[0].url, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(String(readFileSync(clip).length));
    const poster = await fetch(nodes[0].posterUrl);
    expect(poster.headers.get("content-type")).toBe("image/jpeg");
    expect(poster.headers.get("cross-origin-resource-policy")).toBe("same-site");
    expect(Buffer.from(await poster.arrayBuffer()).subarray(0, 2)).toEqual(Buffer.from([0xff, 0xd8]));
  });

  test("shows the videos of several media roots, of files with one name that of the first root", async () => {
    const [first, second] = [join(mediaDirectory(), "first"), join(mediaDirectory(), "second")];
    for (const folder of [first, second]) await mkdir(folder);
    await cp(clip, join(first, "same.mp4"));
    await cp(
      await makeClip({ name: "wide.mp4", frames: 2, width: 128, height: 64 }),
      join(second, "same.mp4"),
    );
    await cp(clip, join(second, "single.mp4"));
    await writeFile(join(second, "broken.mp4"), readFileSync(clip).subarray(0, 200));
    const several = await startTestServer(
      { adapters: ["sam2-demo"], mediaRoots: [first, second] },
      { engine: createScriptedEngine() },
    );
    try {
      const body = JSON.stringify({ query: VIDEOS });
      const response = await fetch(`${several.http}/sam2-demo/graphql`, { method: "POST", body });
      const { data } = (await response.json()) as Json;
      expect(data.videos.edges.map(({ node }: Json) => [node.path, node.width])).toEqual([
        ["gallery/same.mp4", WIDTH],
        ["gallery/single.mp4", WIDTH],
      ]);
    } finally {
      await several.close();
    }
  });

  test("gets a sentence when there is no video", async () => {
    const empty = join(mediaDirectory(), "empty");
    await mkdir(empty);
    const none = await startTestServer(
      { adapters: ["sam2-demo"], mediaRoots: [empty] },
      { engine: createScriptedEngine() },
    );
    try {
      const body = JSON.stringify({ query: DEFAULT_VIDEO });
      const response = await fetch(`${none.http}/sam2-demo/graphql`, { method: "POST", body });
      const { data, errors } = (await response.json()) as Json;
      expect(data).toBeNull();
      expect(errors[0].message).toMatch(/^There is no MP4 or MOV video in .*empty; start the server with/);
    } finally {
      await none.close();
    }
  });

  test("clicks two objects, tracks them through the video, and starts again", async () => {
    const sessionId = await start();
    const first = await click(sessionId, 0);
    expect(shown(first.data.addPoints)).toEqual([[0, true]]);
    expect(first.data.addPoints.rleMaskList[0].rleMask.size).toEqual([HEIGHT, WIDTH]);
    const second = await click(sessionId, 1, 2);
    expect(second.data.addPoints.frameIndex).toBe(2);
    expect(shown(second.data.addPoints).map(([id]) => id)).toEqual([0, 1]);
    const response = await propagate(sessionId, 2);
    expect(response.headers.get("content-type")).toBe("multipart/x-savi-stream; boundary=frame");
    const parts = await partsOf(response);
    expect(parts[0]?.headers).toEqual({
      "Content-Type": "application/json; charset=utf-8",
      ...{ "Frame-Current": "-1", "Frame-Total": "-1", "Mask-Type": "RLE[]" },
      "Content-Length": expect.stringMatching(/^\d+$/),
    });
    expect(parts.map(({ body }) => body.frame_index)).toEqual([2, 3, 4, 5, 1, 0]);
    for (const { body } of parts) {
      expect(body.results.map(({ object_id }) => object_id)).toEqual([0, 1]);
      for (const { object_id, mask } of body.results)
        expect(mask).toEqual(drawObject(object_id, body.frame_index).mask);
    }
    expect(await operate("clearPointsInVideo", { sessionId })).toEqual({
      data: { clearPointsInVideo: { success: true } },
    });
    expect(shown((await click(sessionId, 0)).data.addPoints)).toEqual([[0, true]]);
    expect(await operate("closeSession", { sessionId })).toEqual({
      data: { closeSession: { success: true } },
    });
    await nothingIsLeft();
  });

  test("removes an object, also one without a click, and never names it again", async () => {
    const sessionId = await start();
    await click(sessionId, 0);
    await click(sessionId, 1);
    for (const objectId of [1, 2])
      expect(await operate("removeObject", { sessionId, objectId })).toEqual({ data: { removeObject: [] } });
    expect(engine.calls.filter((call) => call === "remove 1").length).toBe(1);
    const parts = await partsOf(await propagate(sessionId));
    expect(parts.flatMap(({ body }) => body.results.map(({ object_id }) => object_id))).toEqual(
      Array(FRAMES).fill(0),
    );
  });

  test("takes back the clicks of an object on one frame", async () => {
    const sessionId = await start();
    await click(sessionId, 0);
    await click(sessionId, 1, 0);
    await click(sessionId, 1, 3);
    const before = engine.calls.length;
    const { data } = await operate("clearPointsInFrame", { sessionId, frameIndex: 0, objectId: 1 });
    // The object is made again from its click on the other frame.
    expect(engine.calls.slice(before).filter((call) => /^(remove|prompt)/.test(call))).toEqual([
      "remove 1",
      "prompt 3",
    ]);
    expect(data.clearPointsInFrame.frameIndex).toBe(0);
    expect(shown(data.clearPointsInFrame)).toEqual([
      [0, true],
      [1, false],
    ]);
    const last = await operate("clearPointsInFrame", { sessionId, frameIndex: 3, objectId: 1 });
    expect(shown(last.data.clearPointsInFrame).at(-1)).toEqual([1, false]);
    const again = engine.calls.length;
    await operate("clearPointsInFrame", { sessionId, frameIndex: 3, objectId: 1 });
    expect(engine.calls.slice(again).filter((call) => /^(remove|prompt)/.test(call))).toEqual([]);
    // The page still has the object, so the masks of later frames name it.
    const parts = await partsOf(await propagate(sessionId));
    expect(parts.every(({ body }) => body.results.map(({ object_id }) => object_id).join() === "0,1")).toBe(
      true,
    );
    expect(parts.every(({ body }) => body.results[1] && isEmpty(body.results[1].mask))).toBe(true);
  });

  test("adds clicks to the earlier ones of a frame, and takes all of them back", async () => {
    const sessionId = await start();
    await click(sessionId, 0);
    const fields = { points: [[0.45, 0.5]], labels: [0], clearOldPoints: false };
    expect((await click(sessionId, 0, 0, fields)).errors).toBeUndefined();
    const { data } = await operate("clearPointsInFrame", { sessionId, frameIndex: 0, objectId: 0 });
    expect(shown(data.clearPointsInFrame)).toEqual([[0, false]]);
  });
});

describe("uploads", () => {
  const form = (parts: Record<string, string | Blob>) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(parts))
      value instanceof Blob ? body.append(name, value, "clip.mp4") : body.append(name, value);
    return body;
  };
  const send = async (body: FormData): Promise<Json> =>
    (await fetch(`${server.http}/sam2-demo/graphql`, { method: "POST", body })).json();
  const operations = JSON.stringify({ query: UPLOAD, variables: { file: null } });
  const map = JSON.stringify({ file: ["variables.file"] });
  const file = () => new Blob([readFileSync(clip)], { type: "video/mp4" });

  test("become videos that can be played and tracked", async () => {
    const { data } = await send(form({ operations, map, file: file() }));
    const video = data.uploadVideo;
    expect(video).toMatchObject({ width: WIDTH, height: HEIGHT });
    expect(video.path).toMatch(/^uploads\/[\w-]+\.mp4$/);
    expect(Buffer.from(await (await fetch(video.url)).arrayBuffer()).equals(readFileSync(clip))).toBe(true);
    expect((await fetch(video.posterUrl)).status).toBe(200);
    const sessionId = await start(video.path);
    expect(shown((await click(sessionId, 0)).data.addPoints)).toEqual([[0, true]]);
    await operate("closeSession", { sessionId });
    const uploadId = video.path.slice("uploads/".length, -".mp4".length);
    expect((await fetch(`${server.http}/v1/uploads/${uploadId}`, { method: "DELETE" })).status).toBe(204);
    await nothingIsLeft();
  });

  test.each<[string, () => FormData, RegExp]>([
    ["no operation", () => form({ map, file: file() }), /^operations: expected a field of the form/],
    ["no map", () => form({ operations, file: file() }), /^map: expected a field of the form/],
    ["an operation that is no JSON", () => form({ operations: "{", map, file: file() }), /expected JSON/],
    [
      "a map to another place",
      () => form({ operations, map: '{"file":["query"]}', file: file() }),
      /^map: expected the place of one variable, such as variables\.file, got "query"/,
    ],
    [
      "a map to two places",
      () => form({ operations, map: '{"file":["variables.file","variables.b"]}', file: file() }),
      /^map: expected one file for one variable/,
    ],
    ["text as a file", () => form({ operations, map, file: new Blob(["hello there"]) }), /text/],
    [
      "a picture as a file",
      () => form({ operations, map, file: new Blob([readFileSync(clip.replace("demo.mp4", "still.png"))]) }),
      /^file: expected a video, got /,
    ],
    [
      "an operation that takes no file",
      () => form({ operations: JSON.stringify({ query: VIDEOS }), map, file: file() }),
      /^$/,
    ],
  ])("with %s leave nothing behind", async (_name, body, sentence) => {
    const answer = await send(body());
    expect(answer.errors?.[0].message ?? "").toMatch(sentence);
    await nothingIsLeft();
  });

  test("that are cut short leave nothing behind", async () => {
    const body = Buffer.from(await new Response(form({ operations, map, file: file() })).arrayBuffer());
    const boundary = body.subarray(2, body.indexOf("\r\n")).toString();
    const sending = httpRequest(`${server.http}/sam2-demo/graphql`, {
      method: "POST",
      headers: {
        "content-type": `multipart/form-data; boundary=${boundary}`,
        "content-length": body.length,
      },
    });
    sending.on("error", () => {});
    sending.write(body.subarray(0, body.length / 2));
    await until(async () =>
      (await server.predictor.shares.total()).some(({ name, used }) => name === "uploads" && used > 0),
    );
    sending.destroy();
    await nothingIsLeft();
  });

  test("cannot be invented as a variable of JSON", async () => {
    const forged = { uploadId: "x", facts: { kind: "video", width: 1, height: 1 }, isTaken: false };
    const { errors } = (await query(UPLOAD, { file: forged })).json;
    expect(errors[0].message).toBe("file: expected a file of a multipart request, got another value");
  });
});

describe("failures are sentences", () => {
  test.each<[string, unknown, number, RegExp]>([
    ["no JSON", "{", 400, /expected JSON/],
    ["a list", [], 400, /expected/],
    ["no query", { variables: {} }, 400, /^query: missing/],
    ["a query that cannot be parsed", { query: "{ videos" }, 200, /^query: Syntax Error: Expected/],
    ["a field that does not exist", { query: "{ fly }" }, 200, /^query: Cannot query field "fly"/],
    ["a query of thousands of fields", { query: `{ ${"a ".repeat(5000)} }` }, 200, /token/],
    ["no variables", { query: DOCUMENTS.startSession }, 200, /^Variable "\$input"/],
    [
      "a frame that is no number",
      {
        query: DOCUMENTS.clearPointsInFrame,
        variables: { input: { sessionId: "a", frameIndex: "0", objectId: 1 } },
      },
      200,
      /input\.frameIndex.*Int cannot represent/,
    ],
    ["two operations", { query: "query A { __typename } query B { __typename }" }, 200, /operation name/],
  ])("for %s", async (_name, body, status, sentence) => {
    const answer = await post("/graphql", body);
    expect(answer.status).toBe(status);
    expect(answer.json.errors[0].message).toMatch(sentence);
  });

  test("for a body that is too large", async () => {
    const { status, json } = await query(`{ videos { edges { cursor } } } #${"x".repeat(300_000)}`);
    expect([status, json.data]).toEqual([413, null]);
    expect(json.errors[0].message).toMatch(/^The body has more than \d+ bytes\.$/);
  });

  test.each<[string, string, RegExp]>([
    ["another folder", "posters/demo.mp4", /^path: expected the path of a video, such as gallery\/NAME/],
    ["a video that does not exist", "gallery/none.mp4", /There is no file or folder/],
    ["a path out of the media root", "gallery/../../etc/passwd", /is not a file or folder/],
    ["an absolute path", "gallery//etc/passwd", /is not a file or folder/],
    ["a picture", "gallery/still.png", /^path: expected a video, got media of the kind image$/],
    ["an unknown upload", "uploads/7.mp4", /upload/],
  ])("for a session with %s", async (_name, path, sentence) => {
    const { data, errors } = await operate("startSession", { path });
    expect(data).toBeNull();
    expect(errors[0].message).toMatch(sentence);
    expect(errors[0].extensions.code).toMatch(/^\w+$/);
    await nothingIsLeft();
  });

  test.each<[string, object, RegExp]>([
    ["a point outside", { points: [[1.5, 0.5]] }, /^points\[0\]\[0\]: expected at most 1, got 1\.5$/],
    ["a point with three numbers", { points: [[0.1, 0.2, 0.3]] }, /^points\[0\]/],
    ["no points", { points: [], labels: [] }, /^points/],
    ["another label", { labels: [2] }, /^labels\[0\]: expected 0 or 1, got 2$/],
    ["a label too many", { labels: [1, 0] }, /^labels: expected 1 labels, got 2$/],
    ["a frame outside", { frameIndex: FRAMES }, /^frameIndex: expected 0..5, got 6/],
    ["a negative object", { objectId: -1 }, /^objectId: expected at least 0, got -1$/],
    ["a point outside", { points: [[0.5, 1.5]] }, /^points\[0\]\[1\]: expected at most 1, got 1\.5$/],
    [
      "more points than labels",
      {
        points: [
          [0.5, 0.5],
          [0.1, 0.1],
        ],
      },
      /^labels: expected 2 labels, got 1$/,
    ],
    ["a negative object", { objectId: -1 }, /^objectId: expected at least 0, got -1$/],
  ])("for %s, and the object does not exist for the page", async (_name, fields, sentence) => {
    const sessionId = await start();
    const { errors } = await click(sessionId, 7, 0, fields);
    expect(errors[0].message).toMatch(sentence);
    expect(shown((await click(sessionId, 0)).data.addPoints)).toEqual([[0, true]]);
  });

  test("for an object that has no clicks", async () => {
    const sessionId = await start();
    const { errors } = await operate("clearPointsInFrame", { sessionId, frameIndex: 0, objectId: 5 });
    expect(errors[0]).toMatchObject({
      message: "There is no object 5.",
      extensions: { code: "object_not_found" },
    });
  });

  test("for a propagation: without a session, without a click, without JSON", async () => {
    const sessionId = await start();
    for (const [body, status, sentence] of [
      [{ session_id: "s-1" }, 404, 'No session "s-1".'],
      [{ session_id: sessionId }, 409, "Add a prompt before propagating."],
      [{ session_id: sessionId, start_frame_index: -1 }, 400, /^start_frame_index/],
      ["{", 400, /expected JSON/],
    ] as const) {
      const answer = await post("/propagate_in_video", body);
      expect([answer.status, answer.json.error.message]).toEqual([
        status,
        sentence instanceof RegExp ? expect.stringMatching(sentence) : sentence,
      ]);
    }
  });

  test("for videos that do not exist or are no videos", async () => {
    for (const [path, status] of [
      ["gallery/none.mp4", 404],
      ["gallery/still.png", 415],
      ["gallery/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 403],
      ["gallery/%zz", 400],
      ["uploads/7.mp4", 404],
      ["posters/gallery/none.mp4.jpg", 404],
    ] as const)
      expect([path, (await fetch(`${server.http}/sam2-demo/${path}`)).status]).toEqual([path, status]);
  });
});

test("mutated requests get an answer, and the next request works", { timeout: 900_000 }, async () => {
  const sessionId = await start();
  await click(sessionId, 0);
  const clicks = {
    sessionId,
    frameIndex: 1,
    objectId: 0,
    labels: [1, 0],
    points: [
      [0.2, 0.3],
      [0.9, 0.9],
    ],
  };
  const graphql = (name: keyof typeof DOCUMENTS, input: object): [string, Json] => [
    "/graphql",
    { query: DOCUMENTS[name], variables: { input } },
  ];
  const requests = [
    graphql("addPoints", { ...clicks, clearOldPoints: true }),
    graphql("clearPointsInFrame", { sessionId, frameIndex: 1, objectId: 0 }),
    graphql("removeObject", { sessionId, objectId: 3 }),
    graphql("startSession", { path: CLIP }),
    ["/propagate_in_video", { session_id: sessionId, start_frame_index: 0 }] as [string, Json],
  ];
  await fc.assert(
    fc.asyncProperty(mutationsOf(requests), async ({ path, body, at, to }) => {
      const response = await fetch(`${server.http}/sam2-demo${path}`, {
        method: "POST",
        body: JSON.stringify(body),
      });
      const text = await response.text();
      // A fault of the server has the code "internal".
      expect([at, to, response.status < 500, text.includes('"internal"')]).toEqual([at, to, true, false]);
    }),
    { numRuns: 300 },
  );
  expect((await click(await start(), 0)).errors).toBeUndefined();
});

describe("propagations", () => {
  const isBusy = (id: string) =>
    server.predictor.sessions.all.find((hosted) => hosted.id === id)?.session?.busy;

  test("end when the page closes the connection", async () => {
    const sessionId = await start();
    await click(sessionId, 0);
    const leaving = new AbortController();
    const release = engine.hold("next");
    propagate(sessionId, 0, leaving.signal).catch(() => {});
    await until(async () => isBusy(sessionId) === true);
    leaving.abort();
    release();
    await until(async () => isBusy(sessionId) === false);
    expect((await partsOf(await propagate(sessionId))).length).toBe(FRAMES);
  });

  test("end by cancelPropagateInVideo, also when the page no longer reads", async () => {
    const sessionId = await start();
    await click(sessionId, 0);
    // The first frame arrives, the second one waits.
    const release = engine.hold("next 1");
    const response = await propagate(sessionId);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    reader.releaseLock();
    const cancelled = operate("cancelPropagateInVideo", { sessionId });
    release();
    expect(await cancelled).toEqual({ data: { cancelPropagateInVideo: { success: true } } });
    await until(async () => isBusy(sessionId) === false);
    expect((await click(sessionId, 0)).errors).toBeUndefined();
    expect((await partsOf(await propagate(sessionId))).length).toBe(FRAMES);
  });

  test("are cancelled without effect when none runs", async () => {
    const sessionId = await start();
    expect((await operate("cancelPropagateInVideo", { sessionId })).data).toEqual({
      cancelPropagateInVideo: { success: true },
    });
  });
});

describe("sessions", () => {
  test("of other clients of the server do not exist for the page", async () => {
    const response = await fetch(`${server.http}/v1/handle_request`, {
      method: "POST",
      body: JSON.stringify({ type: "start_session", live: true }),
    });
    const { session_id: own } = (await response.json()) as { session_id: string };
    const { errors } = await click(own, 0);
    expect(errors[0].message).toBe(`No session "${own}".`);
    expect((await post("/propagate_in_video", { session_id: own })).status).toBe(404);
  });

  test("that a page leaves behind end also when the owner may have few", async () => {
    const few = await startTestServer(
      { adapters: ["sam2-demo"], maxSessionsPerOwner: 2 },
      { engine: createScriptedEngine() },
    );
    try {
      for (let at = 0; at < 5; at++) {
        const response = await fetch(`${few.http}/sam2-demo/graphql`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({
            query: DOCUMENTS.startSession,
            variables: { input: { path: CLIP } },
          }),
        });
        expect(((await response.json()) as { errors?: unknown }).errors).toBeUndefined();
      }
      expect(few.predictor.sessions.count).toBe(2);
    } finally {
      await few.close();
    }
  });

  test("that a page leaves behind end in favour of later ones", async () => {
    const kept = await start();
    const left: string[] = [];
    for (let at = 0; at < 6; at++) {
      await click(kept, 0);
      left.push(await start());
    }
    expect(server.predictor.sessions.count).toBe(4);
    expect((await click(kept, 0)).errors).toBeUndefined();
    expect((await click(left[0] as string, 0)).errors[0].message).toBe(`No session "${left[0]}".`);
  });

  test("end by themselves after their time", async () => {
    const short = await startTestServer(
      { adapters: ["sam2-demo"], idleTimeoutMs: 50, expiryWarningMs: 10 },
      { engine: createScriptedEngine() },
    );
    try {
      const response = await fetch(`${short.http}/sam2-demo/graphql`, {
        method: "POST",
        body: JSON.stringify({ query: DOCUMENTS.startSession, variables: { input: { path: CLIP } } }),
      });
      expect(((await response.json()) as Json).data.startSession.sessionId).toMatch(/./);
      await until(async () => short.predictor.sessions.count === 0);
    } finally {
      await short.close();
    }
  });

  test("of two owners are apart, and a request without a key gets a sentence", async () => {
    const { keysFile, keys } = makeKeys("ann", "ben");
    const keyed = await startTestServer(
      { adapters: ["sam2-demo"], keysFile },
      { engine: createScriptedEngine() },
    );
    const send = async (key: string | undefined, text: string, input: object): Promise<Json> => {
      const response = await fetch(`${keyed.http}/sam2-demo/graphql`, {
        method: "POST",
        headers: { ...(key && { authorization: `Bearer ${key}` }) },
        body: JSON.stringify({ query: text, variables: { input } }),
      });
      return { status: response.status, ...((await response.json()) as object) };
    };
    try {
      const refused = await send(undefined, DOCUMENTS.startSession, { path: CLIP });
      expect([refused.status, refused.data, refused.errors[0].extensions.code]).toEqual([
        401,
        null,
        "unauthenticated",
      ]);
      const { sessionId } = (await send(keys.ann, DOCUMENTS.startSession, { path: CLIP })).data.startSession;
      const input = { sessionId, objectId: 0 };
      expect((await send(keys.ben, DOCUMENTS.removeObject, input)).errors[0].message).toBe(
        `No session "${sessionId}".`,
      );
      await send(keys.ben, DOCUMENTS.closeSession, { sessionId });
      expect((await send(keys.ann, DOCUMENTS.removeObject, input)).data).toEqual({ removeObject: [] });
      const gallery = await fetch(`${keyed.http}/sam2-demo/${CLIP}`);
      expect(gallery.status).toBe(401);
    } finally {
      await keyed.close();
    }
  });
});

describe("pages of other origins", () => {
  const from = (origin: string) => ({ origin });

  test("of this machine are answered with credentials", async () => {
    const { headers } = await query(VIDEOS, {}, from("http://localhost:7262"));
    expect(headers.get("access-control-allow-origin")).toBe("http://localhost:7262");
    expect(headers.get("access-control-allow-credentials")).toBe("true");
    const preflight = await fetch(`${server.http}/sam2-demo/graphql`, {
      method: "OPTIONS",
      headers: {
        ...from("http://localhost:7262"),
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-credentials")).toBe("true");
    expect(preflight.headers.get("access-control-allow-headers")).toContain("content-type");
  });

  test("of other hosts are refused", async () => {
    const { status, headers } = await query(VIDEOS, {}, from("http://evil.example"));
    expect(status).toBe(403);
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });

  test("find nothing when the adapter is not turned on", async () => {
    const plain = await startTestServer({}, { engine: createScriptedEngine() });
    try {
      expect((await fetch(`${plain.http}/sam2-demo/${CLIP}`)).status).toBe(404);
    } finally {
      await plain.close();
    }
  });
});
