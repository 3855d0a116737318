/** Every format of exports. */
import type { ExportFormat } from "./format.js";
import { coco } from "./formats/coco.js";
import { cutoutPngs, cutoutVideo } from "./formats/cutouts.js";
import { cvat } from "./formats/cvat.js";
import { davis } from "./formats/davis.js";
import { labelStudio } from "./formats/label-studio.js";
import { labelme } from "./formats/labelme.js";
import { maskPngs, maskVideos } from "./formats/masks.js";
import { mot } from "./formats/mot.js";
import { mots } from "./formats/mots.js";
import { overlay } from "./formats/overlay.js";
import { saV } from "./formats/sa-v.js";
import { via } from "./formats/via.js";
import { yoloSeg, yoloTrack } from "./formats/yolo.js";
import { youtubeVis } from "./formats/youtube-vis.js";

export const EXPORT_FORMATS: readonly ExportFormat[] = [
  ...[coco, youtubeVis, mots, mot, saV, cvat, labelStudio, yoloSeg, yoloTrack, labelme, via],
  ...[davis, maskPngs, cutoutPngs, maskVideos, overlay, cutoutVideo],
] as unknown as readonly ExportFormat[];

export function findFormat(id: string): ExportFormat | undefined {
  return EXPORT_FORMATS.find((format) => format.id === id);
}
