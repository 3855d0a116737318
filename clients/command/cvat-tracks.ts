/** Results as tracks of CVAT: a mask on every frame with the object, and `outside` on the first frame without it. */
import type { CocoRle } from "../../protocol/index.js";
import { rowRunsOf } from "../../server/exports/row-runs.js";
import type { ExportFrame } from "../../server/exports/source.js";

export interface CvatShape {
  type: "mask";
  frame: number;
  /** Run lengths of the rows in the box, background first, then the first and the last column and row of the box. */
  points: number[];
  occluded: boolean;
  outside: boolean;
  attributes: [];
}

export interface CvatTrack {
  label_id: number;
  /** The first one with the object. */
  frame: number;
  group: 0;
  source: "auto";
  attributes: [];
  elements: [];
  shapes: CvatShape[];
}

/**
 * @param frames ascending
 * @param frameCount of the task: a track that is visible on its last frame has no end
 * @param labelOf the id of the label of an object
 */
export async function tracksOf(
  frames: AsyncIterable<Pick<ExportFrame, "frameIndex" | "masks">>,
  frameCount: number,
  labelOf: (objectId: number) => number,
): Promise<CvatTrack[]> {
  const tracks = new Map<number, CvatShape[]>();
  /** Of the objects that are visible on the frame before. */
  const visible = new Map<number, { frame: number; points: number[] }>();
  const leave = (objectId: number) => {
    const last = visible.get(objectId);
    visible.delete(objectId);
    if (!last || last.frame + 1 >= frameCount) return;
    tracks.get(objectId)?.push(shapeOf(last.frame + 1, last.points, true));
  };
  for await (const { frameIndex, masks } of frames) {
    const shown = new Set(masks.map(({ objectId }) => objectId));
    for (const [objectId, { frame }] of visible)
      if (!shown.has(objectId) || frame + 1 < frameIndex) leave(objectId);
    for (const { objectId, mask } of masks) {
      const points = pointsOf(mask);
      const shapes = tracks.get(objectId) ?? [];
      tracks.set(objectId, shapes);
      shapes.push(shapeOf(frameIndex, points, false));
      visible.set(objectId, { frame: frameIndex, points });
    }
  }
  for (const objectId of [...visible.keys()]) leave(objectId);
  return [...tracks].map(([objectId, shapes]) => ({
    ...{ label_id: labelOf(objectId), frame: shapes[0]?.frame ?? 0, group: 0, source: "auto" },
    ...{ attributes: [], elements: [], shapes },
  }));
}

function pointsOf(mask: CocoRle): number[] {
  const { runs, box } = rowRunsOf(mask);
  const [x, y, width, height] = box;
  return [...runs, x, y, x + width - 1, y + height - 1];
}

const shapeOf = (frame: number, points: number[], outside: boolean): CvatShape => ({
  ...{ type: "mask", frame, points, occluded: false, outside, attributes: [] },
});
