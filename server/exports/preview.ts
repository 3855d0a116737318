/** What an export would contain: its files and the beginning of those with text. */
import type { ExportFile, ExportFormat } from "./format.js";
import type { ExportSource } from "./source.js";

/** Files in the list. */
const MAX_FILES = 100;
/** Files whose beginning is shown, and how many bytes of it. */
const MAX_BEGINNINGS = 3;
const MAX_BYTES = 2000;

export interface ExportPreview {
  format: string;
  num_frames: number;
  num_objects: number;
  num_masks: number;
  num_files: number;
  files: { path: string; beginning?: string }[];
}

export async function previewExport(
  format: ExportFormat,
  source: ExportSource,
  files: AsyncIterable<ExportFile>,
): Promise<ExportPreview> {
  let [numFrames, numMasks, numFiles] = [0, 0, 0];
  for await (const { masks } of source.frames()) {
    numFrames++;
    numMasks += masks.length;
  }
  const listed: ExportPreview["files"] = [];
  for await (const file of files) {
    numFiles++;
    if (listed.length === MAX_FILES) continue;
    const hasText = format.media === "text" && listed.length < MAX_BEGINNINGS;
    listed.push({ path: file.path, ...(hasText && { beginning: await beginningOf(file) }) });
  }
  return {
    format: format.id,
    num_frames: numFrames,
    num_objects: source.objects.length,
    num_masks: numMasks,
    num_files: numFiles,
    files: listed,
  };
}

async function beginningOf(file: ExportFile): Promise<string> {
  const decoder = new TextDecoder();
  for await (const chunk of file.content())
    return decoder.decode(chunk.subarray(0, MAX_BYTES), { stream: true });
  return "";
}
