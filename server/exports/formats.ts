/** Every format of exports. */
import type { ExportFormat } from "./format.js";
import { coco } from "./formats/coco.js";
import { cvat } from "./formats/cvat.js";
import { labelStudio } from "./formats/label-studio.js";
import { labelme } from "./formats/labelme.js";
import { mot } from "./formats/mot.js";
import { mots } from "./formats/mots.js";
import { saV } from "./formats/sa-v.js";
import { via } from "./formats/via.js";
import { yoloSeg, yoloTrack } from "./formats/yolo.js";
import { youtubeVis } from "./formats/youtube-vis.js";

export const EXPORT_FORMATS: readonly ExportFormat[] = [
  ...[coco, youtubeVis, mots, mot, saV, cvat, labelStudio, yoloSeg, yoloTrack, labelme, via],
] as unknown as readonly ExportFormat[];

export function findFormat(id: string): ExportFormat | undefined {
  return EXPORT_FORMATS.find((format) => format.id === id);
}
