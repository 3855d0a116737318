/** Lets the server compute the features of the frame on the stage, so that the first click on it gets its mask at once. */
import { effect } from "@preact/signals";
import { serverFacts } from "../connection/server-facts.js";
import type { OpenSession } from "../session/open-session.js";

/** Frames that people pass faster than this are not prepared. */
const REST_MS = 100;
/** The first frame after such a pause is prepared at once: a single step, after which a click may follow soon. */
const PAUSE_MS = 400;

/** Returns the function that ends this. */
export function prepareFrames(session: OpenSession): () => void {
  const { client, shownFrame, isPlaying, run } = session;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let prepared = -1;
  let reached = -1;
  let reachedAt = Number.NEGATIVE_INFINITY;
  const stop = effect(() => {
    const frame = shownFrame.value;
    const isBusy = isPlaying.value || run.value.kind === "running";
    const takesPoints = serverFacts.value?.pack.capabilities.points === true;
    clearTimeout(timer);
    const now = performance.now();
    const delayMs = frame !== reached && now - reachedAt > PAUSE_MS ? 0 : REST_MS;
    if (frame !== reached) reachedAt = now;
    reached = frame;
    if (isBusy || !takesPoints || frame === prepared) return;
    timer = setTimeout(() => {
      prepared = frame;
      client
        .predict({
          frame_index: frame,
          point_coords: [[[0.5, 0.5]]],
          point_labels: [[1]],
          multimask_output: false,
          return_low_res_masks: false,
        })
        .catch(() => {
          // Only a preparation: a click reports what is wrong.
        });
    }, delayMs);
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
}
