/** The ids of the registries of exports and imports, which the table of commands does not load. A test compares them. */

export const EXPORT_FORMAT_IDS = [
  ...["coco", "youtube-vis", "mots", "mot", "sa-v", "cvat", "label-studio", "yolo-seg", "yolo-track"],
  ...["labelme", "via", "davis", "mask-png", "cutout-png", "mask-mp4", "overlay", "cutout-webm"],
] as const;

export const IMPORT_FORMAT_IDS = [
  ...["coco", "youtube-vis", "mots", "mot", "sa-v", "cvat", "label-studio", "yolo-seg", "yolo-track"],
  ...["labelme", "via", "davis", "mask-png"],
] as const;
