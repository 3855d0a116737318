/** Every format of imports. */
import type { ImportFormatFacts } from "../../protocol/index.js";
import type { ImportFormat } from "./annotation.js";
import { coco, youtubeVis } from "./formats/coco.js";
import { cvat } from "./formats/cvat.js";
import { davis, labelme, yoloSeg } from "./formats/files.js";
import { labelStudio } from "./formats/label-studio.js";
import { mot, mots } from "./formats/mot.js";

export const IMPORT_FORMATS: readonly ImportFormat[] = [
  ...[coco, youtubeVis, mots, mot, davis, cvat, labelStudio, yoloSeg, labelme],
];

/** What clients can ask about the formats. */
export function describeImportFormats(): ImportFormatFacts[] {
  return IMPORT_FORMATS.map(({ id, title, extension, content }) => ({
    id,
    title,
    extensions: [extension, ".zip"],
    as: content === "masks" ? ["prompts", "locked"] : ["prompts"],
  }));
}
