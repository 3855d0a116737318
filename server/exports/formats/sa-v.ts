/** SA-V: one JSON a video, with the masks of all masklets for each frame (https://ai.meta.com/datasets/segment-anything-video/). */
import { z } from "zod";
import { maskArea, rleOfTurns } from "../../../protocol/index.js";
import { defineFormat, jsonElements, textFile } from "../format.js";
import { type ExportSource, STILLS_FPS } from "../source.js";

export const saV = defineFormat({
  id: "sa-v",
  title: "SA-V",
  media: "text",
  packing: "file",
  needsPictures: false,
  options: z.strictObject({}),
  async *files(source) {
    yield textFile(`${source.facts.name}_auto.json`, () => write(source));
  },
});

interface Track {
  first: number;
  frames: number;
  area: number;
  scores: number;
  changes: number;
  wasVisible: boolean;
}

async function* write(source: ExportSource): AsyncGenerator<string> {
  const { name, width, height, numFrames, fps } = source.facts;
  const ids = source.objects.map(({ objectId }) => objectId);
  const tracks = new Map<number, Track>();
  const frameIndices: number[] = [];
  yield `{"video_id":${JSON.stringify(name)},\n"masklet":[\n`;
  yield* jsonElements(rows(source, ids, tracks, frameIndices));
  const all = ids.map((id) => tracks.get(id) ?? newTrack());
  const meanAreas = all.map(({ area, frames }) => (frames === 0 ? 0 : area / frames));
  const rest = {
    video_duration: numFrames / (fps ?? STILLS_FPS),
    video_frame_count: numFrames,
    video_height: height,
    video_width: width,
    video_resolution: width * height,
    video_environment: null,
    video_split: null,
    masklet_id: ids,
    masklet_size_rel: meanAreas.map((area) => area / (width * height)),
    masklet_size_abs: meanAreas,
    masklet_size_bucket: meanAreas.map(sizeBucket),
    masklet_visibility_changes: all.map(({ changes }) => changes),
    masklet_first_appeared_frame: all.map(({ first }) => first),
    masklet_frame_count: all.map(({ frames }) => frames),
    masklet_edited_frame_count: all.map(() => 0),
    masklet_type: all.map(() => "auto"),
    masklet_stability_score: all.map(({ scores, frames }) => (frames === 0 ? null : scores / frames)),
    masklet_num: ids.length,
    masklet_name: source.objects.map((object) => object.name),
    masklet_category: source.objects.map(({ category }) => category),
    masklet_frame_index: frameIndices,
  };
  yield `\n],\n${JSON.stringify(rest).slice(1)}\n`;
}

/** For each frame one mask for each object; without a pixel where the object has none. */
async function* rows(
  source: ExportSource,
  ids: readonly number[],
  tracks: Map<number, Track>,
  frameIndices: number[],
) {
  const { width, height } = source.facts;
  const empty = rleOfTurns(new Int32Array(), [height, width]);
  for await (const { frameIndex, masks } of source.frames()) {
    frameIndices.push(frameIndex);
    const known = new Map(masks.map((one) => [one.objectId, one]));
    yield ids.map((id) => {
      const one = known.get(id);
      const track = tracks.get(id) ?? newTrack();
      if (one) {
        if (track.frames === 0) track.first = frameIndex;
        track.frames++;
        track.area += maskArea(one.mask);
        track.scores += one.score;
      }
      if (track.frames > 0 && track.wasVisible !== (one !== undefined) && (track.frames > 1 || !one)) {
        track.changes++;
      }
      track.wasVisible = one !== undefined;
      tracks.set(id, track);
      return one?.mask ?? empty;
    });
  }
}

const newTrack = (): Track => ({ first: -1, frames: 0, area: 0, scores: 0, changes: 0, wasVisible: false });

/** The limits of COCO. */
function sizeBucket(area: number): string {
  if (area < 32 ** 2) return "small";
  return area < 96 ** 2 ? "medium" : "large";
}
