/** Writes the scene of the tests in every format into a folder, with its masks in `truth.json`, for `check.py`. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { withoutOverlaps } from "../../../server/exports/mask-sets.js";
import { exportAll, scene } from "../sources.js";

const [folder = ""] = process.argv.slice(2);
const source = scene();

const exports: [name: string, format: string, query: Record<string, string>][] = [
  ["coco", "coco", {}],
  ["coco-polygons", "coco", { masks: "polygons" }],
  ["youtube-vis", "youtube-vis", {}],
  ["youtube-vis-truth", "youtube-vis", { counts: "uncompressed" }],
  ["mots", "mots", {}],
  ["mot", "mot", {}],
  ["sa-v", "sa-v", {}],
  ["cvat", "cvat", {}],
  ["cvat-polygons", "cvat", { masks: "polygons" }],
  ["label-studio-video", "label-studio", {}],
  ["label-studio-brush", "label-studio", { form: "brush" }],
  ["yolo-seg", "yolo-seg", {}],
  ["yolo-track", "yolo-track", {}],
  ["labelme", "labelme", {}],
  ["labelme-masks", "labelme", { masks: "masks" }],
  ["via", "via", {}],
  ["davis", "davis", {}],
];

for (const [name, format, query] of exports) {
  for (const [path, bytes] of await exportAll(source, format, query)) {
    const target = join(folder, name, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, bytes);
  }
}

const frames = [];
for await (const { frameIndex, masks } of source.frames()) {
  const list = (all: typeof masks) => Object.fromEntries(all.map(({ objectId, mask }) => [objectId, mask]));
  frames.push({ frame: frameIndex, masks: list(masks), exclusive: list(withoutOverlaps(masks)) });
}
await writeFile(
  join(folder, "truth.json"),
  JSON.stringify({ ...source.facts, objects: source.objects, frames }),
);
