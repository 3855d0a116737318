/** Imports over HTTP and by the command, with the real model. */
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CocoRle, importFormatSchema } from "../../protocol/index.js";
import { IMPORT_FORMATS } from "../../server/imports/formats.js";
import { makeZip } from "../helpers/archives.js";
import { callCommand } from "../helpers/command.js";
import { makeClip, mediaPath } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { exportAll, maskWhere, sourceOf } from "./sources.js";

const [WIDTH, HEIGHT, FRAMES] = [96, 64, 6];
let server: TestServer;
let clip: string;

type Json = Record<string, unknown> & { error?: Record<string, unknown> };

beforeAll(async () => {
  clip = await makeClip({ name: "imports.mp4", frames: FRAMES });
  server = await startTestServer();
}, 120_000);

afterAll(() => server.close());

async function ask(request: object): Promise<Json> {
  const response = await fetch(`${server.http}/v1/handle_request`, {
    method: "POST",
    body: JSON.stringify(request),
  });
  return (await response.json()) as Json;
}

async function open(): Promise<string> {
  return (await ask({ type: "start_session", resource_path: clip })).session_id as string;
}

async function send(
  sessionId: string,
  query: string,
  body: Uint8Array | string,
): Promise<{ status: number; body: Json }> {
  const response = await fetch(`${server.http}/v1/sessions/${sessionId}/import?${query}`, {
    method: "POST",
    body,
  });
  return { status: response.status, body: (await response.json()) as Json };
}

const square = (frame: number, y = 10): CocoRle =>
  maskWhere(WIDTH, HEIGHT, (px, py) => px >= 10 + 4 * frame && px < 34 + 4 * frame && py >= y && py < y + 20);

/** Object 3 on frames 0 to 2 and 4, object 5 on frame 1. */
const source = () =>
  sourceOf({
    width: WIDTH,
    height: HEIGHT,
    numFrames: FRAMES,
    objects: [
      { objectId: 3, name: "dog 3", category: "dog" },
      { objectId: 5, name: "object 5", category: "object" },
    ],
    frames: [0, 1, 2, 4].map((frameIndex) => ({
      frameIndex,
      masks: new Map([[3, square(frameIndex)], ...(frameIndex === 1 ? [[5, square(1, 40)] as const] : [])]),
    })),
  });

async function fileOf(format: string, query: Record<string, string> = {}): Promise<Uint8Array> {
  const files = await exportAll(source(), format, query);
  const [first] = files.values();
  return files.size === 1 && first ? first : makeZip(Object.fromEntries(files));
}

/** The masks that are stored, as `frame id`. */
async function storedMasks(sessionId: string): Promise<Map<string, CocoRle>> {
  const response = await fetch(`${server.http}/v1/sessions/${sessionId}/export/coco`);
  const { annotations } = (await response.json()) as {
    annotations: { image_id: number; track_id: number; segmentation: CocoRle }[];
  };
  return new Map(annotations.map((one) => [`${one.image_id - 1} ${one.track_id}`, one.segmentation]));
}

describe("POST /v1/sessions/ID/import", () => {
  test.each([
    ["coco", {}],
    ["youtube-vis", {}],
    ["mots", {}],
    ["cvat", {}],
    ["davis", {}],
    ["labelme", { masks: "masks" }],
    ["label-studio", { form: "brush" }],
    ["sa-v", {}],
    ["via", { polygon_tolerance_px: "0" }],
    ["via", { file: "csv", polygon_tolerance_px: "0" }],
    ["mask-png", {}],
  ])("masks of %s become locked frames, unchanged", async (format, query) => {
    const id = await open();
    const { status, body } = await send(id, `format=${format}&as=locked`, await fileOf(format, query));
    expect([status, body.error]).toEqual([200, undefined]);
    expect(body).toMatchObject({
      format,
      as: "locked",
      imported: { masks: 5, boxes: 0, frames: 4 },
      skipped: [],
      warnings: [],
    });
    const hasNames = !["mots", "mask-png"].includes(format);
    expect(body.objects).toEqual([
      { obj_id: 3, name: hasNames ? "dog" : null, is_new: true, frames: 4 },
      { obj_id: 5, name: hasNames ? "object" : null, is_new: true, frames: 1 },
    ]);
    const stored = await storedMasks(id);
    for (const frame of [0, 1, 2, 4]) expect(stored.get(`${frame} 3`)).toEqual(square(frame));
    expect(stored.get("1 5")).toEqual(square(1, 40));
    const { objects } = (await ask({ type: "get_session", session_id: id })) as unknown as {
      objects: { obj_id: number; name: string | null; locked_frames: number[][] }[];
    };
    expect(objects.find(({ obj_id }) => obj_id === 3)).toMatchObject({
      name: hasNames ? "dog" : null,
      locked_frames: [
        [0, 2],
        [4, 4],
      ],
    });
    await ask({ type: "close_session", session_id: id });
  });

  test("polygons without identities become an object each", async () => {
    const id = await open();
    const { body } = await send(id, "format=yolo-seg", await fileOf("yolo-seg"));
    expect(body).toMatchObject({ as: "prompts", imported: { masks: 5, frames: 4 } });
    expect(body.objects).toHaveLength(5);
    await ask({ type: "close_session", session_id: id });
  });

  test.each(["mot", "yolo-track"])("boxes of %s become prompts, and cannot be locked", async (format) => {
    const id = await open();
    const file = await fileOf(format);
    const locked = await send(id, `format=${format}&as=locked`, file);
    expect(locked).toMatchObject({ status: 400, body: { error: { code: "invalid_field", field: "file" } } });
    expect(locked.body.error?.message).toMatch(
      /a box has no mask.*import boxes as prompts; nothing was imported/,
    );
    const { body } = await send(id, `format=${format}`, file);
    expect(body).toMatchObject({ imported: { masks: 0, boxes: 5, frames: 4 } });
    expect((body.objects as { obj_id: number }[]).map(({ obj_id }) => obj_id)).toEqual([3, 5]);
    await ask({ type: "close_session", session_id: id });
  });

  test("what does not fit the video is left out with a reason, the rest is imported", async () => {
    const id = await open();
    const rest = JSON.parse(Buffer.from(await fileOf("coco")).toString());
    rest.images.push({ id: 90, frame_index: 90, width: WIDTH, height: HEIGHT });
    rest.images.push({ id: 91, frame_index: 3, width: 20, height: 10 });
    const one = rest.annotations[0];
    rest.annotations.push({ ...one, image_id: 90 }, { ...one, image_id: 91 }, { ...one, image_id: 92 });
    rest.annotations.push({
      ...one,
      image_id: 1,
      track_id: 8,
      segmentation: { size: [64, 96], counts: "zz" },
    });
    const { body } = await send(id, "format=coco", JSON.stringify(rest));
    expect(body).toMatchObject({ imported: { masks: 5 } });
    expect(body.skipped).toEqual([
      { reason: "its frame is outside the video, whose frames are 0..5", count: 1, example: "frame 90, 3" },
      { reason: "it is for pictures of 20x10, and the video has 96x64", count: 1, example: "frame 3, 3" },
      { reason: "its image_id is not in images", count: 1, example: "annotations[7]" },
      { reason: expect.stringMatching(/^its mask is damaged: /), count: 1, example: "frame 0, 8" },
    ]);
    await ask({ type: "close_session", session_id: id });
  });

  test("SA-V files of the data set have masks for every fourth frame, and no categories", async () => {
    const id = await open();
    const rle = square(1);
    const empty = { size: [HEIGHT, WIDTH], counts: maskWhere(WIDTH, HEIGHT, () => false).counts };
    const file = {
      ...{ video_id: "sav_000001", video_duration: FRAMES / 24, video_frame_count: FRAMES },
      ...{
        masklet_id: [0, 1],
        masklet: [
          [rle, empty],
          [empty, square(0)],
        ],
      },
    };
    const { body } = await send(id, "format=sa-v", JSON.stringify(file));
    expect(body).toMatchObject({ imported: { masks: 2, frames: 2 }, skipped: [] });
    expect(body.warnings).toHaveLength(1);
    const stored = await storedMasks(id);
    expect([...stored]).toEqual(
      expect.arrayContaining([
        ["0 0", rle],
        ["4 1", square(0)],
      ]),
    );
    await ask({ type: "close_session", session_id: id });
  });

  test("VIA files of its users: projects, rectangles, pieces, and shapes that have no mask", async () => {
    const id = await open();
    const polygon = (x: number) => ({
      ...{ name: "polygon", all_points_x: [x, x + 10, x + 10, x], all_points_y: [5, 5, 20, 20] },
    });
    const region = (shape_attributes: object, region_attributes = {}) => ({
      shape_attributes,
      region_attributes,
    });
    const file = {
      _via_settings: {},
      _via_img_metadata: {
        "clip_00002.jpg123": {
          ...{ filename: "clip_00002.jpg", size: 123, file_attributes: {} },
          regions: [
            region(polygon(10), { object_id: "4", class: "dog" }),
            region(polygon(40), { object_id: "4" }),
            region({ name: "rect", x: 60, y: 10, width: 20, height: 15 }, { type: { car: true } }),
            region({ name: "circle", cx: 5, cy: 5, r: 2 }),
          ],
        },
        "still.jpg9": { filename: "still.jpg", regions: {}, file_attributes: {} },
      },
    };
    const { body } = await send(id, "format=via", JSON.stringify(file));
    expect(body).toMatchObject({ imported: { masks: 1, boxes: 1, frames: 1 } });
    expect(body.objects).toMatchObject([
      { obj_id: 0, name: null },
      { obj_id: 4, name: "dog" },
    ]);
    expect(body.skipped).toEqual([
      {
        ...{ reason: "regions of the shape circle are not supported", count: 1 },
        example: "clip_00002.jpg123, regions[3]",
      },
      { reason: "the name of its picture contains no number of a frame", count: 1, example: "still.jpg" },
    ]);
    const pieces = maskWhere(
      WIDTH,
      HEIGHT,
      (x, y) => y >= 5 && y < 20 && ((x >= 10 && x < 20) || (x >= 40 && x < 50)),
    );
    expect((await storedMasks(id)).get("2 4")).toEqual(pieces);
    await ask({ type: "close_session", session_id: id });
  });

  test("a file for another video whose annotations fit gets warnings, one that counts from 1 a hint", async () => {
    const id = await open();
    const rest = JSON.parse(Buffer.from(await fileOf("coco")).toString());
    rest.videos = [{ id: 1, length: 7, fps: 29.97 }];
    for (const image of rest.images) image.frame_index++;
    rest.images.push({ id: 90, frame_index: FRAMES, width: WIDTH, height: HEIGHT });
    rest.annotations.push({ ...rest.annotations[0], image_id: 90 });
    const { body } = await send(id, "format=coco", JSON.stringify(rest));
    const advice = "check some frames: the file may belong to another video";
    expect(body.warnings).toEqual([
      `the file was made for a video of 7 frames, and this one has ${FRAMES}; ${advice}`,
      `the file was made for a video of 29.97 frames per second, and this one has 25; ${advice}`,
    ]);
    expect(body.skipped).toMatchObject([
      { reason: "its frame is outside the video, whose frames are 0..5; the file may count frames from 1" },
    ]);
    await ask({ type: "close_session", session_id: id });
  });

  test.each([
    [
      "another video",
      "coco",
      () =>
        JSON.stringify({
          images: [{ id: 1, width: 20, height: 10 }],
          annotations: [{ image_id: 1, track_id: 0, bbox: [0, 0, 5, 5], segmentation: null }],
        }),
      /1 annotation does not fit, .*20x10, and the video has 96x64; nothing was imported: open a session with the video/,
    ],
    [
      "no annotation",
      "coco",
      () => JSON.stringify({ images: [], annotations: [] }),
      /the file has no annotation; nothing was imported/,
    ],
    ["no JSON", "coco", () => "<xml/>", /^file: the file: expected JSON; .*'?<'?/],
    ["an empty file", "coco", () => " ", /^file: the file: expected JSON; the file is empty\.$/],
    [
      "a file that was cut off",
      "coco",
      () => '{"images":[{"id":1,"file_name":"a_0',
      /^file: the file: expected JSON; it ends before it is complete, after 35 characters: copy or export the file again\.$/,
    ],
    [
      "another format",
      "youtube-vis",
      () => JSON.stringify({ images: [], annotations: [] }),
      /^file: the file: videos: /,
    ],
    ["broken XML", "cvat", () => "<annotations><track>", /^file: expected XML: /],
    [
      "entities in XML",
      "cvat",
      () => '<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>',
      /^file: expected XML: /,
    ],
    ["a broken line", "mots", () => "1 2 3", /^file: line 1: expected "frame id class_id height width rle"/],
    [
      "a VIA 3 project",
      "via",
      () => JSON.stringify({ project: {}, metadata: {} }),
      /annotations or a project of VIA 2/,
    ],
    [
      "another CSV",
      "via",
      () => "a,b\n1,2\n",
      /^file: line 1: expected the columns filename, file_attributes, /,
    ],
    [
      "a broken CSV",
      "via",
      () => `filename,file_attributes,region_shape_attributes,region_attributes\n"a`,
      /^file: character 68: expected comma-separated values/,
    ],
    [
      "SA-V masks of an unknown rate",
      "sa-v",
      () => JSON.stringify({ video_frame_count: 9, masklet: [[], []] }),
      /^file: masklet: expected masks of every frame \(9 entries\) or of every fourth \(3\), got 2 entries/,
    ],
    ["no archive", "davis", () => "PK\u0003\u0004 broken", /^file: the archive cannot be read/],
    ["other files", "davis", () => "text", /^file: expected files with the number of their frame/],
  ])("%s gets an error that states what happened", async (_name, format, content, message) => {
    const id = await open();
    const { status, body } = await send(id, `format=${format}`, content());
    expect([status, body.error?.code, body.error?.field]).toEqual([400, "invalid_field", "file"]);
    expect(body.error?.message).toMatch(message);
    await ask({ type: "close_session", session_id: id });
  });

  test.each([
    ["format=png", "invalid_field", "format"],
    ["as=prompts", "missing_field", "format"],
    ["format=coco&as=masks", "invalid_field", "as"],
    ["format=coco&to=1", "unknown_field", "to"],
  ])("%s gets %s", async (query, code, field) => {
    const id = await open();
    expect(await send(id, query, "{}")).toMatchObject({ status: 400, body: { error: { code, field } } });
    await ask({ type: "close_session", session_id: id });
  });

  test("a format without exact masks gets the reason", async () => {
    const id = await open();
    const { body } = await send(id, "format=overlay", "");
    expect(body.error?.message).toMatch(/^format: overlay cannot be imported, .* export and import mask-png/);
    await ask({ type: "close_session", session_id: id });
  });

  test("an unknown session gets session_not_found", async () => {
    expect(await send("none", "format=coco", "{}")).toMatchObject({
      status: 404,
      body: { error: { code: "session_not_found" } },
    });
  });
});

test("masklet import prints what it did, and what it left out", async () => {
  const id = await open();
  const file = mediaPath("import.json");
  const { images, annotations, ...rest } = JSON.parse(Buffer.from(await fileOf("coco")).toString());
  annotations.push({ ...annotations[0], image_id: 99 });
  await writeFile(file, JSON.stringify({ ...rest, images, annotations }));
  const args = [
    "import",
    file,
    "--session",
    id,
    "--format",
    "coco",
    "--as",
    "locked",
    "--server",
    server.url,
  ];
  const { status, stdout, stderr } = await callCommand(args);
  expect([status, stdout]).toEqual([0, `${id}\n`]);
  expect(stderr).toBe(
    "5 masks and 0 boxes on 4 frames, of 2 objects, are locked.\nLeft out: 1, because its image_id is not in images (annotations[5]).\n",
  );
  const wrong = await callCommand([
    "import",
    file,
    "--session",
    id,
    "--format",
    "cvat",
    "--server",
    server.url,
  ]);
  expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringMatching(/^file: expected XML/)]);
  const both = await callCommand(["import", file, "--format", "coco"]);
  expect([both.status, both.stderr]).toEqual([2, "--session or --video: expected one of them.\n"]);
});

test("masklet import --video starts a session on a server", async () => {
  const file = mediaPath("import-video.json");
  await writeFile(file, await fileOf("coco"));
  const args = ["import", file, "--video", clip, "--format", "coco", "--server", server.url];
  const { status, stdout, stderr } = await callCommand(args);
  expect([status, stderr]).toEqual([0, "5 masks and 0 boxes on 4 frames, of 2 objects, are prompts.\n"]);
  const stored = await storedMasks(stdout.trim());
  expect(stored.get("4 3")).toEqual(square(4));
});

test("GET /v1/imports lists the formats with the files and kinds that they take", async () => {
  const response = await fetch(`${server.http}/v1/imports`);
  const { formats } = (await response.json()) as { formats: unknown[] };
  const parsed = formats.map((one) => importFormatSchema.parse(one));
  expect(parsed.map(({ id }) => id)).toEqual(IMPORT_FORMATS.map(({ id }) => id));
  expect(parsed.find(({ id }) => id === "cvat")).toEqual({
    id: "cvat",
    title: "CVAT for video 1.1",
    extensions: [".xml", ".zip"],
    as: ["prompts", "locked"],
  });
  expect(parsed.find(({ id }) => id === "mot")?.as).toEqual(["prompts"]);
  const refused = await fetch(`${server.http}/v1/imports`, { method: "POST" });
  expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET"]);
});
