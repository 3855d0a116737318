/** Exports over HTTP, from the stored results of a session. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unzip } from "../helpers/archives.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

let server: TestServer;
let clip: string;
let sessionId: string;

type Json = Record<string, unknown> & { error?: Record<string, unknown> };

beforeAll(async () => {
  clip = await makeClip({ name: "exports.mp4", frames: 6 });
  server = await startTestServer({}, { engine: createScriptedEngine() });
  const started = await ask({ type: "start_session", resource_path: clip });
  sessionId = started.session_id as string;
  await ask({ type: "add_prompt", session_id: sessionId, frame_index: 0, text: "ball" });
  await ask({ type: "rename", session_id: sessionId, obj_id: 0, name: "ball" });
  await post("handle_stream_request", { type: "propagate_in_video", session_id: sessionId });
});

afterAll(() => server.close());

async function post(path: string, body: object): Promise<string> {
  const response = await fetch(`${server.http}/v1/${path}`, { method: "POST", body: JSON.stringify(body) });
  return response.text();
}

const ask = async (request: object) => JSON.parse(await post("handle_request", request)) as Json;

const get = (path: string) => fetch(`${server.http}/v1/sessions/${sessionId}/export/${path}`);

async function errorOf(response: Response): Promise<Record<string, unknown>> {
  return { status: response.status, ...((await response.json()) as Json).error };
}

/** The masks that the session streams, by frame. */
async function storedMasks(): Promise<Map<number, { ids: number[]; masks: unknown[] }>> {
  const text = await post("handle_stream_request", {
    type: "propagate_in_video",
    session_id: sessionId,
    scope: "stored",
    output_prob_thresh: 0,
  });
  const frames = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === "frame");
  return new Map(
    frames.map(({ frame_index, outputs }) => [
      frame_index,
      { ids: outputs.out_obj_ids, masks: outputs.out_binary_masks },
    ]),
  );
}

describe("GET /v1/sessions/ID/export/FORMAT", () => {
  test("COCO has every stored frame as an image and every mask as an annotation", async () => {
    const response = await get("coco");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("content-disposition")).toBe(
      "attachment; filename*=UTF-8''exports.coco.json",
    );
    const file = (await response.json()) as {
      images: { id: number; frame_index: number; timestamp_us: number }[];
      annotations: { image_id: number; track_id: number; segmentation: unknown }[];
      categories: { name: string }[];
    };
    const stored = await storedMasks();
    expect(file.images.map(({ frame_index }) => frame_index)).toEqual([...stored.keys()].sort());
    expect(file.images[1]?.timestamp_us).toBeGreaterThan(0);
    expect(file.categories.map(({ name }) => name)).toEqual(expect.arrayContaining(["ball"]));
    const expected = [...stored].flatMap(([frame, { ids, masks }]) =>
      ids.map((id, at) => ({ frame, id, mask: masks[at] })),
    );
    const seen = file.annotations.map(({ image_id, track_id, segmentation }) => ({
      frame: image_id - 1,
      id: track_id,
      mask: segmentation,
    }));
    expect(seen).toEqual(expected);
    expect(seen.length).toBeGreaterThan(0);
  });

  test("selects frames and objects", async () => {
    const response = await get("coco?frames=2-3&objects=0");
    const { images, annotations } = (await response.json()) as {
      images: { frame_index: number }[];
      annotations: { track_id: number }[];
    };
    expect(images.map(({ frame_index }) => frame_index)).toEqual([2, 3]);
    expect(new Set(annotations.map(({ track_id }) => track_id))).toEqual(new Set([0]));
  });

  test("a preview lists the files and the beginning of the first ones", async () => {
    const response = await get("yolo-seg?preview=true");
    const preview = (await response.json()) as {
      num_files: number;
      files: { path: string; beginning?: string }[];
    };
    expect(preview).toMatchObject({
      format: "yolo-seg",
      num_frames: 6,
      num_objects: expect.any(Number),
      num_files: 7,
    });
    expect(preview.files[0]).toMatchObject({
      path: "data.yaml",
      beginning: expect.stringContaining('0: "ball"'),
    });
    expect(preview.files[1]?.path).toBe("labels/train/exports_000000.txt");
  });

  test("the export of an upload has the name of the uploaded file", async () => {
    const upload = async (query: string) => {
      const bytes = new Uint8Array(await readFile(clip));
      const response = await fetch(`${server.http}/v1/uploads${query}`, { method: "POST", body: bytes });
      return ((await response.json()) as { upload_id: string }).upload_id;
    };
    for (const [query, expected] of [
      ["?filename=My%20dog.mp4", "My%20dog.coco.json"],
      ["", "upload.coco.json"],
    ] as const) {
      const upload_id = await upload(query);
      const { session_id } = await ask({ type: "start_session", upload_id });
      await ask({ type: "add_prompt", session_id, frame_index: 0, text: "ball" });
      await post("handle_stream_request", { type: "propagate_in_video", session_id });
      const response = await fetch(`${server.http}/v1/sessions/${session_id}/export/coco`);
      expect(response.headers.get("content-disposition")).toBe(`attachment; filename*=UTF-8''${expected}`);
      const { videos } = (await response.json()) as { videos: { file_name: string }[] };
      expect(videos[0]?.file_name).toBe(query === "" ? "upload" : "My dog.mp4");
      await ask({ type: "close_session", session_id });
    }
  });

  test("a format of several files is an archive", async () => {
    const response = await get("labelme");
    expect(response.headers.get("content-type")).toBe("application/zip");
    const files = await unzip(Buffer.from(await response.arrayBuffer()));
    expect([...files.keys()]).toEqual(Array.from({ length: 6 }, (_, frame) => `0000${frame}.json`));
    const first = JSON.parse(files.get("00000.json")?.toString() ?? "");
    expect(first).toMatchObject({ imageWidth: 96, imageHeight: 64 });
    expect(first.shapes[0]).toMatchObject({ label: "ball", shape_type: "polygon", group_id: 0 });
  });

  test.each([
    ["nosuch", 400, { code: "invalid_field", field: "format", message: expect.stringContaining("coco") }],
    ["coco?masks=png", 400, { code: "invalid_field", field: "masks" }],
    ["coco?mask=rle", 400, { code: "unknown_field", field: "mask" }],
    ["coco?frames=3-2", 400, { code: "invalid_field", field: "frames" }],
    ["coco?frames=0-6", 400, { code: "frame_out_of_range", field: "frames" }],
    ["coco?objects=77", 404, { code: "object_not_found", field: "objects" }],
  ])("%s gets an error that names the field", async (path, status, error) => {
    expect(await errorOf(await get(path))).toMatchObject({ status, ...error });
  });

  test("a session without results gets mask_not_found, a live one wrong_session_kind, another session session_not_found", async () => {
    const { session_id } = await ask({ type: "start_session", resource_path: clip });
    const empty = await fetch(`${server.http}/v1/sessions/${session_id}/export/coco`);
    expect(await errorOf(empty)).toMatchObject({ status: 409, code: "mask_not_found" });
    const live = await ask({ type: "start_session", live: true });
    const exported = await fetch(`${server.http}/v1/sessions/${live.session_id}/export/coco`);
    expect(await errorOf(exported)).toMatchObject({ status: 409, code: "wrong_session_kind" });
    const none = await fetch(`${server.http}/v1/sessions/none/export/coco`);
    expect(await errorOf(none)).toMatchObject({ status: 404, code: "session_not_found" });
  });

  test("lists the formats with their options", async () => {
    const { formats } = (await (await fetch(`${server.http}/v1/exports`)).json()) as {
      formats: { id: string; options: { name: string; values?: string[] }[] }[];
    };
    const coco = formats.find(({ id }) => id === "coco");
    expect(coco?.options).toContainEqual({
      name: "masks",
      meaning: expect.any(String),
      default: "rle",
      values: ["rle", "polygons"],
    });
  });
});
