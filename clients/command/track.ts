/** `masklet track`: one video through a server, its frames into a file and onto the picture. */
import type { MaskletSession } from "../typescript/index.js";
import { CommandError } from "./errors.js";
import type { FrameLog } from "./frame-log.js";
import { openVideo } from "./media.js";
import { startProgress } from "./progress.js";
import { renderOverlay } from "./render.js";
import { onStopSignal } from "./signals.js";
import { checkResults, type FrameSink, findVideo, openFrameSink, type VideoPath } from "./track-files.js";
import type { TrackJob } from "./track-options.js";
import { planTrack, type TrackPlan } from "./track-plan.js";
import { openPrivateSession, openRemoteSession } from "./track-session.js";

/**
 * Says on standard error what comes out. Interrupted by a signal it keeps the frames made so far and rejects with an
 * AbortError.
 *
 * @throws UsageError, CommandError, or what the server reports.
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
    : openRemoteSession(job.server, video, signal));
  try {
    const plan = planTrack(job, session.facts);
    for (const prompt of plan.prompts) {
      signal.throwIfAborted();
      await session.addPrompt(prompt);
    }
    const sink = await openFrameSink(job);
    try {
      const objects = await propagate(session, plan, sink, signal);
      if (job.render !== undefined && sink.log) await draw(video, job.render, sink.log, signal);
      const files = [job.out, job.render].filter((path) => path !== undefined && path !== "-");
      const where = files.length > 0 ? `, in ${files.join(" and ")}` : "";
      say(`${count(objects, "object")} on ${count(plan.frameCount, "frame")}${where}`);
    } finally {
      await sink.close();
    }
  } finally {
    await close();
  }
}

/** How many objects were seen. */
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

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
