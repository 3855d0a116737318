/** Options of exports as people read them. */

const UNITS: Readonly<Record<string, string>> = {
  px: "pixels",
  ms: "milliseconds",
  fps: "frames per second",
};
const NAMES: Readonly<Record<string, string>> = {
  rle: "RLE",
  json: "JSON",
  csv: "CSV",
  mp4: "MP4",
  webm: "WebM",
  gif: "GIF",
  true: "Yes",
  false: "No",
};

const capitalized = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** `polygon_tolerance_px` becomes "Polygon tolerance (pixels)". */
export function optionTitle(name: string): string {
  const words = name.split("_");
  const unit = words.length > 1 ? UNITS[words.at(-1) as string] : undefined;
  return capitalized((unit ? [...words.slice(0, -1), `(${unit})`] : words).join(" "));
}

/** `rle` becomes "RLE", `polygons` "Polygons". */
export const valueTitle = (value: string): string => NAMES[value] ?? capitalized(value);
