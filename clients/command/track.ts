/** `masklet track`: tracks one video on a server, writes its frames and draws its masks. */

import { basename } from "node:path";
import type { MaskletSession, VideoFacts } from "../typescript/index.js";
import { CommandError, NothingFoundError } from "./errors.js";
import type { FrameLog } from "./frame-log.js";
import { openVideo } from "./media.js";
import { printJson } from "./print-json.js";
import { startProgress } from "./progress.js";
import { renderOverlay } from "./render.js";
import { onStopSignal } from "./signals.js";
import { checkResults, type FrameSink, findVideo, openFrameSink, type VideoPath } from "./track-files.js";
import type { TrackJob } from "./track-options.js";
import { planTrack, type TrackPlan } from "./track-plan.js";
import { openPrivateSession, openRemoteSession } from "./track-session.js";

/**
 * Runs a job and reports on standard error. Interrupted by a signal it keeps the frames written so far and rejects with an
 * AbortError.
 *
 * @throws UsageError, CommandError, NothingFoundError, or the server's error.
 */
export async function track(job: TrackJob): Promise<void> {
  const video = await findVideo(job.video);
  await checkResults(job, video);
  const interruption = new AbortController();
  const forget = onStopSignal(() => interruption.abort());
  try {
    await trackUntil(interruption.signal, job, video);
  } finally {
    forget();
  }
}

async function trackUntil(signal: AbortSignal, job: TrackJob, video: VideoPath): Promise<void> {
  const { session, close } = await (job.server === undefined
    ? openPrivateSession(video)
    : openRemoteSession({ address: job.server, key: job.key }, video, signal));
  try {
    const plan = planTrack(job, session.facts);
    report(describeRun(plan, job, video, session.facts));
    const missed = await sendPrompts(session, plan, signal);
    const sink = await openFrameSink(job);
    try {
      const objects = await propagate(session, plan, sink, signal);
      if (job.render !== undefined && sink.log) await draw(video, job.render, sink.log, signal);
      const files = [job.out, job.render].filter((path) => path !== undefined && path !== "-");
      const where = files.length > 0 ? `, in ${files.join(" and ")}` : "";
      report(`${count(objects, "object")} on ${count(plan.frameCount, "frame")}${where}`);
      if (job.json) printJson(summaryOf(job, objects, plan.frameCount, missed));
      const found = `found no object on frame ${job.atFrame}`;
      if (objects === 0) throw nothingFound(plan, `${missed.join(" and ")} ${found}`);
      if (missed.length > 0) report(`note: ${missed.join(" and ")} ${found}`);
    } finally {
      await sink.close();
    }
  } finally {
    await close();
  }
}

function summaryOf({ video, out, render }: TrackJob, objects: number, frames: number, missed: string[]) {
  return { video, objects, frames, not_found: missed, out: out ?? null, render: render ?? null };
}

/** `box 415,365 300x180 px on frame 0 of dog.mp4 (854x480, 60 frames)`. */
function describeRun(
  { prompts }: TrackPlan,
  { atFrame }: TrackJob,
  { path }: VideoPath,
  { width, height, num_frames }: VideoFacts,
): string {
  const what = prompts.map(({ description }) => description).join("; ");
  const facts = `${width}x${height}, ${count(num_frames, "frame")}`;
  return `${what} on frame ${atFrame} of ${basename(path)} (${facts})`;
}

/** Returns the descriptions of the prompts that found no object on their frame. */
async function sendPrompts(
  session: MaskletSession,
  { prompts }: TrackPlan,
  signal: AbortSignal,
): Promise<string[]> {
  const missed: string[] = [];
  const known = new Set<number>();
  for (const { fields, description } of prompts) {
    signal.throwIfAborted();
    const { outputs, unknown_words = [] } = await session.addPrompt(fields);
    if (unknown_words.length > 0) report(`note: ${unknownTo(unknown_words)}`);
    if (!outputs.out_obj_ids.some((id) => !known.has(id))) missed.push(description);
    for (const id of outputs.out_obj_ids) known.add(id);
  }
  return missed;
}

/** `the pack does not know the word "zebra"`. */
function unknownTo(words: readonly string[]): string {
  const quoted = words.map((word) => JSON.stringify(word)).join(", ");
  return `the model pack does not know the ${words.length === 1 ? "word" : "words"} ${quoted}`;
}

function nothingFound({ prompts, frameCount }: TrackPlan, cause: string): NothingFoundError {
  const hasPhrase = prompts.some(({ fields }) => fields.text !== undefined);
  const advice = hasPhrase
    ? "try another frame with --at, another word (a pack finds only what its vocabulary names), or --box"
    : "try a box close around a whole object, or another frame with --at";
  return new NothingFoundError(`No object on any of ${count(frameCount, "frame")}: ${cause}; ${advice}.`);
}

/** Returns the number of distinct objects. */
async function propagate(
  session: MaskletSession,
  plan: TrackPlan,
  sink: FrameSink,
  signal: AbortSignal,
): Promise<number> {
  const objectIds = new Set<number>();
  const progress = startProgress({ label: "tracking", total: plan.frameCount });
  let frameCount = 0;
  const cancel = () => void session.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  try {
    for (const propagation of plan.propagations) {
      signal.throwIfAborted();
      for await (const frame of session.propagate(propagation)) {
        await sink.append(frame);
        for (const id of frame.outputs.out_obj_ids) objectIds.add(id);
        frameCount++;
        progress.advance();
      }
    }
  } finally {
    signal.removeEventListener("abort", cancel);
    progress.stop();
  }
  signal.throwIfAborted();
  if (frameCount !== plan.frameCount) {
    throw new CommandError(`The server sent ${frameCount} frames, expected ${plan.frameCount}.`);
  }
  return objectIds.size;
}

async function draw(path: VideoPath, target: string, frames: FrameLog, signal: AbortSignal): Promise<void> {
  const video = await openVideo(path, signal);
  const progress = startProgress({ label: "drawing", total: video.facts.numFrames });
  try {
    await renderOverlay({ video, frames, path: target, onFrame: () => progress.advance(), signal });
  } finally {
    progress.stop();
    await video.close();
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function report(line: string): void {
  process.stderr.write(`${line}\n`);
}
