import type { Colour } from "./picture.js";

/** Bright colours; neighbours in the list differ strongly. */
const FIRST_COLOURS: readonly Colour[] = [
  [255, 92, 87],
  [64, 156, 255],
  [255, 200, 40],
  [52, 211, 153],
  [197, 120, 255],
  [255, 145, 60],
  [45, 212, 230],
  [255, 120, 190],
  [163, 220, 60],
  [120, 130, 255],
];

/** Step on the colour wheel between further colours, in turns: with the golden angle, no colour repeats. */
const GOLDEN_TURN = 0.381966;

/** The colour of an object, the same in every frame and in every file. */
export function colourOf(objectId: number): Colour {
  const listed = FIRST_COLOURS[objectId];
  if (listed) return listed;
  const hue = (objectId * GOLDEN_TURN) % 1;
  const channel = (turn: number) => {
    const distance = Math.abs(((hue + turn) % 1) * 6 - 3);
    return Math.round(75 + 180 * Math.min(1, Math.max(0, distance - 1)));
  };
  return [channel(0), channel(2 / 3), channel(1 / 3)];
}

/** In the notation of CSS and SVG. */
export function cssColour([red, green, blue]: Colour): string {
  return `rgb(${red},${green},${blue})`;
}
