/**
 * Frame n is one picture everywhere: on the stage, in the JPEG of the server, in the masks, and in exports. The pictures of the
 * clips contain their number, and a disc whose place depends on it.
 */
import { writeFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { decodeMask } from "../../protocol/index.js";
import { openMedia } from "../../server/media/open.js";
import { type ClipOptions, makeClip, mediaDirectory, mediaPath, runFfmpegTool } from "../helpers/media.js";
import { launchChromium, openPage, type TestPage } from "./browser.js";
import {
  centreOf,
  coarse,
  DISC_RADIUS,
  discCentre,
  largestDifference,
  type Pixels,
  type Place,
  paintScene,
  placeOf,
  readSceneNumber,
  SCENE,
  UPRIGHT,
} from "./numbered-scene.js";
import { type ServedPage, servePage } from "./serve.js";
import { readStage, type StageReader } from "./stage.js";

const FRAMES = 24;
const H264 = "-c:v libx264 -preset ultrafast -bf 2 -b_strategy 0 -g 12 -crf 18".split(" ");
const VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 2M -g 12".split(" ");
const MPEG4 = "-c:v mpeg4 -q:v 2 -bf 2 -g 12".split(" ");

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let server: ServedPage;
let browser: Browser;

beforeAll(async () => {
  [server, browser] = await Promise.all([servePage(mediaDirectory()), launchChromium()]);
  await server.start();
});
afterAll(async () => {
  await browser?.close();
  await server?.dispose();
});

interface Case {
  title: string;
  make(): Promise<string>;
  /** Who has to decode the pictures. H.264 depends on the build of the browser. */
  decoder: "browser" | "server" | "any";
  matrix?: [number, number, number, number];
  /** Width of a pixel over its height. */
  pixelAspect?: number;
  /** The number in the picture of frame 0. */
  first?: number;
}

const scene = (options: ClipOptions) =>
  makeClip({ frames: FRAMES, ...SCENE, paint: paintScene, encoder: H264, ...options });

async function copied(source: string, name: string, input: string[], output: string[] = []): Promise<string> {
  const path = mediaPath(name);
  await runFfmpegTool([...input, "-i", source, "-c", "copy", ...output, path]);
  return path;
}

/** VP9 with reference frames that are not displayed: libvpx inserts them with two passes. */
async function withHiddenFrames(): Promise<string> {
  const options =
    "-c:v libvpx-vp9 -auto-alt-ref 1 -lag-in-frames 16 -deadline good -cpu-used 5 -b:v 300k".split(" ");
  const log = ["-passlogfile", mediaPath("hidden.pass")];
  await scene({ name: "hidden-first.webm", encoder: [...options, ...log, "-pass", "1"] });
  return scene({ name: "hidden.webm", encoder: [...options, ...log, "-pass", "2"] });
}

const rotated = (name: string, displayMatrix: [number, number, number, number]): Case => ({
  title: name,
  make: () => scene({ name: `${name.replaceAll(" ", "-")}.mp4`, displayMatrix }),
  decoder: "any",
  matrix: displayMatrix,
});

const CASES: Case[] = [
  { title: "H.264 with B-frames", make: () => scene({ name: "plain.mp4" }), decoder: "any" },
  { title: "VP9", make: () => scene({ name: "plain.webm", encoder: VP9 }), decoder: "browser" },
  {
    title: "29.97 frames per second",
    make: () => scene({ name: "ntsc.mp4", fps: 30000 / 1001 }),
    decoder: "any",
  },
  {
    title: "29.97 frames per second, with times in milliseconds",
    make: () => scene({ name: "ntsc.webm", fps: 30000 / 1001, encoder: VP9 }),
    decoder: "browser",
  },
  {
    title: "a variable rate",
    make: () => scene({ name: "variable.mp4", timesMs: "N*40+mod(N,3)*17" }),
    decoder: "any",
  },
  {
    title: "a variable rate in WebM",
    make: () => scene({ name: "variable.webm", timesMs: "N*40+mod(N,3)*17", encoder: VP9 }),
    decoder: "browser",
  },
  { title: "hidden reference frames", make: withHiddenFrames, decoder: "browser" },
  rotated("rotated by 90 degrees", [0, 1, -1, 0]),
  rotated("rotated by 180 degrees", [-1, 0, 0, -1]),
  rotated("rotated by 270 degrees", [0, -1, 1, 0]),
  rotated("mirrored", [-1, 0, 0, 1]),
  {
    title: "non-square pixels",
    make: () => scene({ name: "wide.mp4", output: ["-aspect", "2:1"] }),
    decoder: "any",
    pixelAspect: 4 / 3,
  },
  {
    title: "a start at 7.5 s",
    make: () => scene({ name: "offset.mp4", output: ["-output_ts_offset", "7.5"] }),
    decoder: "any",
  },
  {
    title: "an edit list that hides the first frames",
    make: async () => copied(await scene({ name: "plain.mp4" }), "cut.mp4", ["-ss", "0.2"]),
    decoder: "any",
    first: 5,
  },
  {
    title: "sound that begins before the picture",
    async make() {
      const sound = ["-f", "lavfi", "-i", "sine=duration=1.5"];
      const path = mediaPath("late.mp4");
      const clip = ["-itsoffset", "0.4", "-i", await scene({ name: "plain.mp4" })];
      await runFfmpegTool([
        ...sound,
        ...clip,
        ...["-map", "0:a", "-map", "1:v", "-c:v", "copy", "-c:a", "aac", path],
      ]);
      return path;
    },
    decoder: "any",
  },
  {
    title: "open groups of pictures in a transport stream",
    make: () => scene({ name: "open.ts", encoder: [...H264, "-x264opts", "open-gop=1"] }),
    decoder: "any",
  },
  {
    title: "a codec that the browser cannot decode",
    make: () => scene({ name: "mpeg4.mp4", encoder: MPEG4 }),
    decoder: "server",
  },
];

/** Pixels that differ clearly between two pictures, in the rows and columns of a box, 0 to 1. */
function changed(
  before: Pixels,
  after: Pixels,
  box: { left: number; top: number; right: number; bottom: number },
) {
  const { width, height, channels } = before;
  const data = new Uint8Array(width * height);
  for (let y = Math.floor(box.top * height); y < Math.min(height, box.bottom * height); y++) {
    for (let x = Math.floor(box.left * width); x < Math.min(width, box.right * width); x++) {
      const at = (y * width + x) * channels;
      let difference = 0;
      for (let c = 0; c < 3; c++)
        difference += Math.abs((before.data[at + c] as number) - (after.data[at + c] as number));
      if (difference > 60) data[y * width + x] = 1;
    }
  }
  return { width, height, data };
}

describe.each(CASES)("$title", ({ make, decoder, matrix, pixelAspect = 1, first = 0 }) => {
  const place: Place = matrix ? placeOf(matrix) : UPRIGHT;
  const isTurned = matrix !== undefined && matrix[0] === 0;
  const wide = { width: SCENE.width * pixelAspect, height: SCENE.height };
  const size = isTurned ? { width: wide.height, height: wide.width } : wide;
  let test: TestPage;
  let stage: StageReader;
  let url = "";
  let frames = 0;
  const pictures: Pixels[] = [];

  /** Where the disc of frame n is in the upright picture, 0 to 1. */
  const discAt = (frame: number) => {
    const { x, y } = discCentre(frame + first);
    return place(x / SCENE.width, y / SCENE.height);
  };

  beforeAll(async () => {
    const path = await make();
    test = await openPage(browser, { folder: "number-truth" });
    const { page } = test;
    stage = readStage(page, size);
    await page.goto(server.url);
    await page.getByTestId("file-input").setInputFiles(path);
    await page.getByTestId("stage").waitFor();
    await stage.read(0);
    const { sessions } = (await (await fetch(`${server.url}v1/sessions`)).json()) as {
      sessions: {
        session_id: string;
        num_frames: number;
        created_at: string;
        width: number;
        height: number;
      }[];
    };
    const latest = sessions.sort((a, b) => a.created_at.localeCompare(b.created_at)).at(-1);
    if (!latest) throw new Error("the server has no session");
    url = `${server.url}v1/sessions/${latest.session_id}`;
    frames = latest.num_frames;
    expect([latest.width, latest.height]).toEqual([Math.round(size.width), size.height]);
    // The edit list that ffmpeg writes for a variable rate hides the last frame.
    expect(frames).toBeGreaterThanOrEqual(FRAMES - first - 1);
  });
  afterAll(() => test?.close());

  it("is decoded by the browser where it can", async () => {
    const note = test.page.getByText("Pictures from the server");
    const reason = (await note.count()) > 0 ? await note.getAttribute("title") : undefined;
    if (decoder === "browser") expect(reason).toBeUndefined();
    if (decoder === "server") expect(reason).toMatch(/decode/);
    // The build of the browser may lack the codec; it does not count other frames than the server.
    if (decoder === "any" && reason !== undefined) expect(reason).toMatch(/decode/);
  });

  it("shows frame n, which is the server's JPEG of n, in both directions", async () => {
    const { page } = test;
    for (let frame = 0; frame < frames; frame++) {
      if (frame > 0) await page.keyboard.press("ArrowRight");
      const picture = await stage.read(frame);
      expect(Number.parseInt(picture.label, 10)).toBe(frame);
      expect(readSceneNumber(picture, place)).toBe(frame + first);
      pictures[frame] = picture;
    }
    for (let frame = frames - 2; frame >= 0; frame--) {
      await page.keyboard.press("ArrowLeft");
      expect(readSceneNumber(await stage.read(frame), place)).toBe(frame + first);
    }
    for (const [frame, picture] of pictures.entries()) {
      const body = await (await fetch(`${url}/frames/${frame}.jpeg`)).arrayBuffer();
      const { data, info } = await sharp(Buffer.from(body)).raw().toBuffer({ resolveWithObject: true });
      const served = { ...info, data };
      expect(readSceneNumber(served, place)).toBe(frame + first);
      // Browsers and ffmpeg assume different colour matrices where a file names none.
      expect(largestDifference(coarse(picture), coarse(served))).toBeLessThan(24);
    }
  });

  async function expectMask(frame: number): Promise<void> {
    const [x, y] = discAt(frame);
    const reach = {
      x: DISC_RADIUS / (isTurned ? SCENE.height : SCENE.width),
      y: DISC_RADIUS / (isTurned ? SCENE.width : SCENE.height),
    };
    const mask = changed(pictures[frame] as Pixels, await stage.read(frame), {
      ...{ left: x - 2 * reach.x, right: x + 2 * reach.x },
      // The name of the object is above this.
      ...{ top: y - reach.y, bottom: y + 1.5 * reach.y },
    });
    const centre = centreOf(mask);
    expect({
      frame,
      x: Math.abs(centre.x - x) * size.width,
      y: Math.abs(centre.y - y) * size.height,
    }).toEqual({
      ...{ frame, x: expect.closeTo(0, -0.9), y: expect.closeTo(0, -0.9) },
    });
  }

  it("answers a click on frame n with the mask of n", async () => {
    const { page } = test;
    await page.keyboard.press("Home");
    await stage.read(0);
    const { x, y } = await stage.at(...discAt(0));
    await page.mouse.click(x, y);
    await page.locator(".object-row, [role=option]").first().waitFor();
    await page.mouse.move(5, 5);
    await expectMask(0);
    await test.picture("click");
  });

  it("shows the mask of n on frame n after tracking", async () => {
    const { page } = test;
    await page.keyboard.press("f");
    await stage.read(frames - 1);
    await page.getByRole("button", { name: "Track in both directions" }).waitFor();
    for (let frame = frames - 1; frame >= 0; frame--) {
      await expectMask(frame);
      await page.keyboard.press("ArrowLeft");
    }
  });

  it("exports the mask of n as that of frame n, and draws it on the picture of n", async () => {
    const coco = (await (await fetch(`${url}/export/coco`)).json()) as {
      images: { id: number; frame_index: number }[];
      annotations: { image_id: number; segmentation: { size: [number, number]; counts: string } }[];
    };
    const frameOf = new Map(coco.images.map(({ id, frame_index }) => [id, frame_index]));
    expect(coco.annotations).toHaveLength(frames);
    for (const { image_id, segmentation } of coco.annotations) {
      const frame = frameOf.get(image_id) as number;
      const [x, y] = discAt(frame);
      const centre = centreOf(decodeMask(segmentation));
      expect(Math.abs(centre.x - x) * size.width).toBeLessThan(5);
      expect(Math.abs(centre.y - y) * size.height).toBeLessThan(5);
    }
    const path = mediaPath("overlay.mp4");
    await writeFile(path, Buffer.from(await (await fetch(`${url}/export/overlay`)).arrayBuffer()));
    const media = await openMedia(path);
    try {
      expect(media.facts.numFrames).toBe(frames);
      const all = {
        startFrame: 0,
        count: frames,
        direction: "forward",
        width: size.width,
        height: size.height,
      } as const;
      for await (const { index, rgb } of media.frames(all))
        expect(readSceneNumber({ ...all, channels: 3, data: rgb }, place)).toBe(index + first);
    } finally {
      await media.close();
    }
    // The demuxer reports codecs that it does not support.
    const errors = await test.takeErrors();
    expect(errors.filter((text) => !text.startsWith("Unsupported video codec"))).toEqual([]);
  });
});
