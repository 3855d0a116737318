/** What a job says to the server, in order: prompts, then propagations. Pure, so that it can be tested without one. */
import type { PromptFields, PropagationFields, VideoFacts } from "../typescript/index.js";
import { UsageError } from "./errors.js";
import type { TrackJob } from "./track-options.js";

export interface TrackPlan {
  prompts: PromptFields[];
  propagations: PropagationFields[];
  /** Frames that all propagations send together: each frame of the range once. */
  frameCount: number;
}

/** @throws UsageError when the job points outside the video. */
export function planTrack(job: TrackJob, video: VideoFacts): TrackPlan {
  checkInside(job, video);
  const { propagations, frameCount } = planPropagations(job, video.num_frames);
  return { prompts: planPrompts(job), propagations, frameCount };
}

/**
 * One object per box, one object of all points together; points given with exactly one box refine that box's object.
 * Objects come before phrases: they choose their ids, and what a phrase finds takes the next free ones.
 */
function planPrompts({ phrases, boxes, clicks, atFrame }: TrackJob): PromptFields[] {
  const pointFields = {
    points: clicks.map(({ x, y }): [number, number] => [x, y]),
    point_labels: clicks.map(({ label }) => label),
  };
  const pointsRefineBox = clicks.length > 0 && boxes.length === 1;
  const frame = { frame_index: atFrame, rel_coordinates: false };
  const prompts: PromptFields[] = boxes.map((box, index) => ({
    ...frame,
    obj_id: index,
    bounding_boxes: [box],
    ...(pointsRefineBox && pointFields),
  }));
  if (clicks.length > 0 && !pointsRefineBox) {
    prompts.push({ ...frame, obj_id: boxes.length, ...pointFields });
  }
  for (const text of phrases) prompts.push({ frame_index: atFrame, text });
  return prompts;
}

function planPropagations({ atFrame, direction }: TrackJob, numFrames: number) {
  const start = { start_frame_index: atFrame };
  const after = numFrames - atFrame;
  if (direction !== "backward") {
    const frameCount = direction === "forward" ? after : numFrames;
    return { propagations: [{ ...start, propagation_direction: direction }], frameCount };
  }
  // On the wire, backward begins before the start frame, which therefore needs a propagation of its own.
  const propagations: PropagationFields[] = [
    { ...start, propagation_direction: "forward", max_frame_num_to_track: 0 },
    ...(atFrame > 0 ? [{ ...start, propagation_direction: "backward" as const }] : []),
  ];
  return { propagations, frameCount: atFrame + 1 };
}

function checkInside({ atFrame, boxes, clicks }: TrackJob, { width, height, num_frames }: VideoFacts): void {
  if (atFrame >= num_frames) {
    throw new UsageError(
      `--at: expected 0 to ${num_frames - 1}, the last frame of the video, got ${atFrame}.`,
    );
  }
  for (const box of boxes) {
    const [x, y, boxWidth, boxHeight] = box;
    if (x < 0 || y < 0 || x + boxWidth > width || y + boxHeight > height) {
      throw new UsageError(
        `--box: expected a box inside the ${width}x${height} video, got ${box.join(",")}.`,
      );
    }
  }
  for (const { x, y } of clicks) {
    if (x < 0 || y < 0 || x > width || y > height) {
      throw new UsageError(`--point: expected a point inside the ${width}x${height} video, got ${x},${y}.`);
    }
  }
}
