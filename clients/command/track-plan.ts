/** The requests of a job, in order: prompts, then propagations. Pure functions. */
import type { PixelBox, PromptFields, PropagationFields, VideoFacts } from "../typescript/index.js";
import { toPixelBox, toPixelPoint } from "./coordinates.js";
import { UsageError } from "./errors.js";
import type { Click, TrackJob } from "./track-options.js";

export interface PlannedPrompt {
  fields: PromptFields;
  /** For people, in pixels: `box 415,365 300x180 px`. */
  description: string;
}

export interface TrackPlan {
  prompts: PlannedPrompt[];
  propagations: PropagationFields[];
  /** Frames of all propagations together: each frame of the range once. */
  frameCount: number;
}

/** @throws UsageError when a coordinate or the frame is outside the video. */
export function planTrack(given: TrackJob, video: VideoFacts): TrackPlan {
  const job = {
    ...given,
    boxes: given.boxes.map((box) => toPixelBox(box, video)),
    clicks: given.clicks.map(({ x, y, label }) => {
      const [pixelX, pixelY] = toPixelPoint([x, y], video);
      return { x: pixelX, y: pixelY, label };
    }),
  };
  checkInside(given, job, video);
  const { propagations, frameCount } = planPropagations(job, video.num_frames);
  return { prompts: planPrompts(job), propagations, frameCount };
}

/**
 * One object per box, one object of all points together; points given with exactly one box refine that box's object.
 * Objects come before phrases: their ids are fixed, and the objects of phrases get the next free ids.
 */
function planPrompts({ phrases, boxes, clicks, atFrame }: TrackJob): PlannedPrompt[] {
  const pointFields = {
    points: clicks.map(({ x, y }): [number, number] => [x, y]),
    point_labels: clicks.map(({ label }) => label),
  };
  const pointsRefineBox = clicks.length > 0 && boxes.length === 1;
  const frame = { frame_index: atFrame, rel_coordinates: false };
  const points = clicks.map(describeClick).join(", ");
  const prompts: PlannedPrompt[] = boxes.map((box, index) => ({
    fields: { ...frame, obj_id: index, bounding_boxes: [box], ...(pointsRefineBox && pointFields) },
    description: pointsRefineBox ? `${describeBox(box)} with ${points}` : describeBox(box),
  }));
  if (clicks.length > 0 && !pointsRefineBox) {
    prompts.push({ fields: { ...frame, obj_id: boxes.length, ...pointFields }, description: points });
  }
  for (const text of phrases) {
    prompts.push({ fields: { frame_index: atFrame, text }, description: `phrase "${text}"` });
  }
  return prompts;
}

function describeBox([x, y, width, height]: PixelBox): string {
  return `box ${round(x)},${round(y)} ${round(width)}x${round(height)} px`;
}

function describeClick({ x, y, label }: Click): string {
  return `point ${round(x)},${round(y)} px ${label === 1 ? "on" : "off"} the object`;
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}

function planPropagations({ atFrame, direction }: TrackJob, numFrames: number) {
  const start = { start_frame_index: atFrame };
  const after = numFrames - atFrame;
  if (direction !== "backward") {
    const frameCount = direction === "forward" ? after : numFrames;
    return { propagations: [{ ...start, propagation_direction: direction }], frameCount };
  }
  // A backward propagation excludes its start frame, which therefore needs a propagation of its own.
  const propagations: PropagationFields[] = [
    { ...start, propagation_direction: "forward", max_frame_num_to_track: 0 },
    ...(atFrame > 0 ? [{ ...start, propagation_direction: "backward" as const }] : []),
  ];
  return { propagations, frameCount: atFrame + 1 };
}

/** @param given the job with the coordinates of the command line, for messages */
function checkInside(given: TrackJob, job: TrackJob, { width, height, num_frames }: VideoFacts): void {
  if (job.atFrame >= num_frames) {
    throw new UsageError(
      `--at: expected 0 to ${num_frames - 1}, the last frame of the video, got ${job.atFrame}.`,
    );
  }
  for (const [index, [x, y, boxWidth, boxHeight]] of job.boxes.entries()) {
    if (x >= 0 && y >= 0 && x + boxWidth <= width && y + boxHeight <= height) continue;
    throw new UsageError(
      `--box: expected a box inside the ${width}x${height} video, got ${given.boxes[index]?.join(",")}.`,
    );
  }
  for (const { x, y } of job.clicks) {
    if (x < 0 || y < 0 || x > width || y > height) {
      throw new UsageError(`--point: expected a point inside the ${width}x${height} video, got ${x},${y}.`);
    }
  }
}
