/** Plays the video at its own times, as fast as pictures are decoded. */
import { frameAtTime } from "../video/frame-times.js";
import type { OpenSession } from "./open-session.js";

/** The clock stops while the picture on the stage is this many frames behind. */
const MAX_FRAMES_BEHIND = 1;

export async function play(session: OpenSession): Promise<void> {
  const { frame, shownFrame, frameTimesUs, isPlaying } = session;
  const last = frameTimesUs.length - 1;
  if (isPlaying.peek() || last < 1) return;
  session.follow.value = false;
  isPlaying.value = true;
  if (frame.peek() >= last) frame.value = 0;
  let timeUs = frameTimesUs[frame.peek()] as number;
  let before = performance.now();
  while (isPlaying.peek()) {
    const now = await new Promise<number>((resolve) => requestAnimationFrame(resolve));
    const passedUs = Math.min(200, now - before) * 1000;
    before = now;
    if (frame.peek() - shownFrame.peek() > MAX_FRAMES_BEHIND) continue;
    // Another part of the page has moved the frame.
    if (frameAtTime(frameTimesUs, timeUs) !== frame.peek()) timeUs = frameTimesUs[frame.peek()] as number;
    timeUs += passedUs;
    const next = frameAtTime(frameTimesUs, timeUs);
    if (next !== frame.peek()) frame.value = Math.min(last, next);
    if (frame.peek() >= last) isPlaying.value = false;
  }
}
