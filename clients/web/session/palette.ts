/** Colours of objects: those of overlays drawn by the server. */
const FIRST = [
  "#ff5c57",
  "#409cff",
  "#ffc828",
  "#34d399",
  "#c578ff",
  "#ff913c",
  "#2dd4e6",
  "#ff78be",
  "#a3dc3c",
  "#7882ff",
];

/** Step on the colour wheel between further colours, in turns: with the golden angle, no colour repeats. */
const GOLDEN_TURN = 0.381966;

/** `#rrggbb`. */
export function colourOf(objectId: number): string {
  const listed = FIRST[objectId];
  if (listed) return listed;
  const hue = (objectId * GOLDEN_TURN) % 1;
  const channel = (turn: number) => {
    const distance = Math.abs(((hue + turn) % 1) * 6 - 3);
    const value = Math.round(75 + 180 * Math.min(1, Math.max(0, distance - 1)));
    return value.toString(16).padStart(2, "0");
  };
  return `#${channel(0)}${channel(2 / 3)}${channel(1 / 3)}`;
}
