/**
 * `npm run demo` draws a clip, starts a server, prompts one object with a click and others with phrases over the WebSocket,
 * and writes the results to demo-output/.
 *
 * `npm run demo -- VIDEO [PHRASE]…` does the same with another video and a click in its middle.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openFrameLog } from "../command/frame-log.js";
import { openVideo } from "../command/media.js";
import { startProgress } from "../command/progress.js";
import { renderOverlay } from "../command/render.js";
import { findVideo } from "../command/track-files.js";
import { openPrivateSession } from "../command/track-session.js";
import type { MaskletSession } from "../typescript/index.js";
import { writeClip } from "./clip.js";
import { type LegendEntry, writeContactSheet } from "./contact-sheet.js";
import { actorCentre, CLIP } from "./scene.js";
import { drawTiles } from "./tiles.js";

const OUTPUT = "demo-output";
/** The drawn clip has two green stars, one of which enters later, and no orange triangle. */
const PHRASES = ["red circle", "green star", "orange triangle"];

type Click = [x: number, y: number];

const [givenVideo, ...givenPhrases] = process.argv.slice(2);
try {
  await demo();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function demo(): Promise<void> {
  await mkdir(OUTPUT, { recursive: true });
  const video = await findVideo(givenVideo ?? (await drawClip()));
  const { session, close } = await openPrivateSession(video);
  const media = await openVideo(video);
  const frames = await openFrameLog(join(OUTPUT, "masks.jsonl"));
  try {
    const { width, height, num_frames } = session.facts;
    const click: Click = givenVideo ? [width / 2, height / 2] : actorCentre("pebble", 0);
    const { pack } = await session.get();
    const phrases = givenVideo ? givenPhrases : PHRASES;
    const names = phrases.map((phrase) => `, "${phrase}"`).join("");
    console.log(
      `Tracking with pack ${pack.id} ${pack.version}: a click at ${click.map(Math.round).join(",")}${names}`,
    );
    const legend = await prompt(session, click, phrases);

    const tracking = startProgress({ label: "tracking", total: num_frames });
    const seen = new Set<number>();
    for await (const frame of session.propagate({ propagation_direction: "forward" })) {
      await frames.append(frame);
      for (const id of frame.outputs.out_obj_ids) seen.add(id);
      tracking.advance();
    }
    tracking.stop();
    const known = legend.flatMap(({ objectIds }) => objectIds);
    const latecomers = [...seen].filter((id) => !known.includes(id));
    if (latecomers.length > 0) legend.push({ label: "appeared later", objectIds: latecomers });
    for (const { label, objectIds } of legend) {
      console.log(`  ${label}${objectIds.length > 0 ? `: object ${objectIds.join(", ")}` : ""}`);
    }

    const drawing = startProgress({ label: "drawing", total: num_frames });
    const overlay = join(OUTPUT, "overlay.mp4");
    await renderOverlay({ video: media, frames, path: overlay, onFrame: () => drawing.advance() });
    drawing.stop();
    const sheet = join(OUTPUT, "contact-sheet.png");
    const rate = tracking.framesPerSecond.toFixed(1);
    await writeContactSheet(sheet, {
      title: "masklet",
      subtitle: `${num_frames} frames of ${width}x${height}, ${seen.size} object${seen.size === 1 ? "" : "s"}`,
      legend,
      tiles: await drawTiles(media, frames, click),
    });

    console.log(
      `Done at ${rate} frames per second. The results are ${overlay}, ${sheet} and ${OUTPUT}/masks.jsonl.`,
    );
  } finally {
    await frames.close();
    await media.close();
    await close();
  }
}

async function drawClip(): Promise<string> {
  const path = join(OUTPUT, "clip.mp4");
  console.log(`Drawing a clip of ${(CLIP.frameCount / CLIP.fps).toFixed(0)} seconds: ${path}`);
  await writeClip(path, join(OUTPUT, "frames"));
  return path;
}

/** Sends all prompts on the first frame. The objects of a phrase are the ids that are new in its answer. */
async function prompt(session: MaskletSession, [x, y]: Click, phrases: string[]): Promise<LegendEntry[]> {
  const frame = { frame_index: 0 };
  const points = { points: [[x, y] satisfies Click], point_labels: [1 as const], rel_coordinates: false };
  const clicked = await session.addPrompt({ ...frame, ...points });
  const known = new Set(clicked.obj_id === undefined ? [] : [clicked.obj_id]);
  const legend: LegendEntry[] = [{ label: "clicked", objectIds: [...known] }];
  for (const text of phrases) {
    const { outputs } = await session.addPrompt({ ...frame, text });
    const objectIds = outputs.out_obj_ids.filter((id) => !known.has(id));
    for (const id of objectIds) known.add(id);
    legend.push({ label: objectIds.length > 0 ? `"${text}"` : `"${text}": nothing on frame 0`, objectIds });
  }
  return legend;
}
