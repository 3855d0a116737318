/** Every format of imports. */
import type { ImportFormatFacts } from "../../protocol/index.js";
import type { ImportFormat } from "./annotation.js";
import { coco, youtubeVis } from "./formats/coco.js";
import { cvat } from "./formats/cvat.js";
import { davis, labelme, maskPngs } from "./formats/files.js";
import { labelStudio } from "./formats/label-studio.js";
import { mot, mots } from "./formats/mot.js";
import { saV } from "./formats/sa-v.js";
import { via } from "./formats/via.js";
import { yoloSeg, yoloTrack } from "./formats/yolo.js";

export const IMPORT_FORMATS: readonly ImportFormat[] = [
  ...[coco, youtubeVis, mots, mot, saV, cvat, labelStudio, yoloSeg, yoloTrack, labelme, via],
  ...[davis, maskPngs],
];

/** What clients can ask about the formats. */
export function describeImportFormats(): ImportFormatFacts[] {
  return IMPORT_FORMATS.map(({ id, title, extensions, content }) => ({
    id,
    title,
    extensions: [...extensions, ".zip"],
    as: content === "masks" ? ["prompts", "locked"] : ["prompts"],
  }));
}

const WITHOUT_MASKS = "its pictures do not contain the exact masks: export and import mask-png";

/** Why formats of exports cannot be imported. */
export const EXPORT_ONLY: ReadonlyMap<string, string> = new Map(
  ["cutout-png", "cutout-webm", "mask-mp4", "overlay"].map((id) => [id, WITHOUT_MASKS]),
);
