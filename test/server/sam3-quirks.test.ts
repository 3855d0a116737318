/**
 * Register of the quirks of SAM 3's own code (section 9 of the notes on its video pipeline). "repeated": `sam3` and `masklet`
 * repeat the quirk. "by preset": `sam3` repeats it, and `masklet` fixes it. "fixed": no preset has it; the tests are below.
 *
 * | #  | SAM 3                                                | here, and the test                                 |
 * | -- | ---------------------------------------------------- | -------------------------------------------------- |
 * | 1  | pixels of MP4 files are not divided by 255           | fixed                                              |
 * | 2  | a higher score threshold for later new objects       | repeated: sam3/traces, trace 2                     |
 * | 3  | box-only sessions lose all objects                   | by preset: sam3/traces, trace 1                    |
 * | 4  | clicks on unvisited frames fail                      | by preset: sam3-propagation, tracking-session      |
 * | 5  | a removal before the first propagation ends tracking | by preset: sam3-propagation, tracking-session      |
 * | 6  | M + 1 frames forward, M backward                     | repeated: frame-range, sam3-propagation            |
 * | 7  | a box also applies to the next frame                 | fixed                                              |
 * | 8  | hot start counters persist across passes             | by preset: sam3/traces, trace 10                   |
 * | 9  | backward, never occluded objects are suppressed      | by preset: sam3/rules, trace 12                    |
 * | 10 | a score logit is compared with 0.8                   | repeated: sam3/parameters                          |
 * | 11 | the tracked mask replaces the corrected memory       | repeated: sam3/traces, trace 5                     |
 * | 12 | boxes before overlap, last pixel as edge             | by preset: tracking-session, trace 11              |
 * | 13 | an object without probability loses its mask         | by preset: masks/ownership                         |
 * | 14 | one memory score for a bucket                        | repeated: sam3/rules                               |
 * | 15 | the pointer of the oldest frame is skipped           | repeated: sam3/rules trace 14, sam3/traces trace 17 |
 * | 16 | a correction clears mask prompts of nearby frames    | by preset: sam3/traces, trace 8                    |
 * | 17 | a click makes an object unconfirmed                  | by preset: sam3/traces, trace 8                    |
 * | 18 | clicks above the limit return a malformed value      | fixed                                              |
 * | 19 | a removal corrupts the confirmation state            | fixed                                              |
 * | 20 | a second session with the same id replaces the first | fixed                                              |
 * | 21 | input masks are processed at another size            | fixed                                              |
 */
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { createPredictor } from "../../server/index.js";
import { openMedia } from "../../server/media/open.js";
import { packContract } from "../../server/packs/contract.js";
import { makeClip, mediaDirectory, mediaPath, paintFrame } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { createTraceBench, type Found, geometry, type Rect, upTo } from "../tracker/trace-bench.js";

const A: Rect = [4, 4, 5, 5];
const found: Found = { rect: A, score: 0.9 };

/**
 * 1. A frame consists of bytes from the decoder to the `encode` graph, which divides them by 255. So a model gets the same
 * pixels from a video and from images of its frames.
 */
it("decodes the same pixels from a video as from images of its frames (quirk 1)", async () => {
  const size = { width: 96, height: 64 };
  const encoder = ["-c:v", "libx264rgb", "-qp", "0", "-pix_fmt", "rgb24"];
  const clip = await openMedia(await makeClip({ name: "exact.mp4", frames: 2, encoder, ...size }));
  for (const index of [0, 1]) {
    const raw = { ...size, channels: 3 } as const;
    await sharp(paintFrame(index, size.width, size.height), { raw })
      .png()
      .toFile(mediaPath(`exact/${index}.png`));
  }
  const folder = await openMedia(`${mediaDirectory()}/exact`);
  for (const index of [0, 1]) {
    const { rgb: ofVideo } = await clip.frame(index, size);
    const { rgb: ofPicture } = await folder.frame(index, size);
    expect(Buffer.compare(ofVideo, ofPicture)).toBe(0);
    expect(Math.max(...ofVideo)).toBe(250);
  }
  await Promise.all([clip.close(), folder.close()]);
});

/**
 * 7. SAM 3 detects one frame ahead with the prompts of the current frame, to distribute the work over several GPUs. Here
 * detection runs when a frame is prompted or visited, with the prompts of that frame.
 */
it.each(["sam3", "masklet"] as const)(
  "applies a box only to its own frame, under %s (quirk 7)",
  async (preset) => {
    const boxes: boolean[] = [];
    const script = {
      detect: (_: number, hasBox: boolean) => {
        boxes.push(hasBox);
        return [found];
      },
    };
    const bench = createTraceBench(script, preset);
    await bench.tracker.prompt(bench.frame(0), {
      kind: "concept",
      text: "object",
      replace: false,
      exemplars: { boxesXywh: [[0.2, 0.2, 0.25, 0.25]], labels: [1] },
    });
    await bench.visit([0, 1]);
    expect(boxes).toEqual([true, false]);
  },
);

/**
 * 18. SAM 3 returns four values where its caller unpacks two, which fails. Here the request fails with an error code.
 */
it.each(["sam3", "masklet"] as const)(
  "refuses a click above the object limit with object_limit, under %s (quirk 18)",
  async (preset) => {
    const bench = createTraceBench({ detect: () => [found] }, preset, { life: { maxNumObjects: 1 } });
    await bench.promptPhrase(0);
    await expect(bench.click(0, 5)).rejects.toMatchObject({ code: "object_limit" });
    expect(bench.tracker.objectIds()).toEqual([0]);
  },
);

/**
 * 19. SAM 3 stores the confirmation state in arrays parallel to the list of ids, and does not shorten them on a removal.
 * Here the state is stored by id.
 */
it.each(["sam3", "masklet"] as const)(
  "continues to confirm the other objects after a removal, under %s (quirk 19)",
  async (preset) => {
    const rects: Rect[] = [A, [12, 12, 5, 5]];
    const script = { detect: () => rects.map((rect) => ({ rect, score: 0.9 })) };
    const bench = createTraceBench(script, preset, { life: { maskletConfirmationEnable: true } });
    await bench.promptPhrase(0);
    await bench.visit([0]);
    expect(bench.tracker.removeObject(0)).toBe(true);
    rects.shift();
    const unconfirmed: (readonly number[] | undefined)[] = [];
    for (const index of upTo(2, 1))
      unconfirmed.push((await bench.tracker.step(bench.frame(index))).hiding?.unconfirmed);
    // The third detection in a row confirms the remaining object.
    expect(unconfirmed).toEqual([[1], []]);
  },
);

/**
 * 20. SAM 3 keeps the sessions of all predictors of a process in one table, where a second session with the same id silently
 * replaces the first. Here every predictor has a table of its own, which refuses an id in use.
 */
describe("a session id (quirk 20)", () => {
  it("is refused while it is in use, and is separate for each predictor", async () => {
    await sharp(paintFrame(0, 96, 64), { raw: { width: 96, height: 64, channels: 3 } })
      .png()
      .toFile(mediaPath("still.png"));
    const start = {
      type: "start_session",
      resource_path: `${mediaDirectory()}/still.png`,
      session_id: "mine",
    } as const;
    const [one, other] = [0, 1].map(() =>
      createPredictor({ logLevel: "silent" }, { engine: createScriptedEngine() }),
    ) as [ReturnType<typeof createPredictor>, ReturnType<typeof createPredictor>];
    expect(await one.handleRequest(start)).toMatchObject({ session_id: "mine" });
    await expect(one.handleRequest(start)).rejects.toMatchObject({ code: "session_exists" });
    const unknown = { type: "get_session", session_id: "mine" } as const;
    await expect(other.handleRequest(unknown)).rejects.toMatchObject({ code: "session_not_found" });
    expect(await other.handleRequest(start)).toMatchObject({ session_id: "mine" });
    await other.handleRequest({ type: "close_session", session_id: "mine" });
    expect(await one.handleRequest(unknown)).toMatchObject({ session_id: "mine" });
    await Promise.all([one.close(), other.close()]);
  });
});

/**
 * 21. SAM 3 processes an input mask at another size than its masks (328 instead of 288), in a result that it does not use.
 * The pack contract has one size: `seed` accepts a mask of any size and returns logits of the size of all masks.
 */
it("returns the logits of an input mask in the size of all masks (quirk 21)", async () => {
  const capabilities = { text: true, exemplars: true, points: true, maskSeed: true } as const;
  const bank = createTraceBench({ detect: () => [] }, "sam3").options.bank;
  const { seed } = packContract({
    geometry,
    bank,
    capabilities: { ...capabilities, objectBatch: "dynamic", memorySlots: "dynamic" },
  });
  const logits = seed.outputs.find(({ name }) => name === "mask_logits");
  expect(logits?.shape.slice(-2)).toEqual([geometry.m, geometry.m]);
});
