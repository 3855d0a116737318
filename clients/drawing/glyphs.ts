/**
 * A monoline alphabet as SVG strokes. Text in SVG needs system fonts. On a machine without fonts, letters would be missing
 * from the picture without an error.
 *
 * One unit is an eighth of the height of a digit. The base line is at y = 8, the top of lower-case letters without ascender at y = 3.
 */
interface Glyph {
  width: number;
  /** SVG path, drawn as a stroke with round ends. */
  path: string;
}

const BOWL = "M5 5.5A2.5 2.5 0 1 1 0 5.5A2.5 2.5 0 1 1 5 5.5";
const ARCH = "M0 5.2A2.2 2.2 0 0 1 4.4 5.2V8";

const GLYPHS: Record<string, Glyph> = {
  a: { width: 5, path: `${BOWL}M5 3V8` },
  b: { width: 5, path: `${BOWL}M0 0V8` },
  c: { width: 4.4, path: "M4.4 3.9A2.5 2.5 0 1 0 4.4 7.1" },
  d: { width: 5, path: `${BOWL}M5 0V8` },
  e: { width: 5, path: "M0 5.5H5A2.5 2.5 0 1 0 4.4 7.1" },
  f: { width: 3.2, path: "M3.2 .2C1.9-.3 1.2.6 1.2 2V8M0 3H2.9" },
  g: { width: 5, path: `${BOWL}M5 3V8.2A2.4 2.4 0 0 1 .7 9.5` },
  h: { width: 4.4, path: `M0 0V8${ARCH}` },
  i: { width: 0, path: "M0 3V8M0 .6h.01" },
  j: { width: 1.2, path: "M1.2 3V9A1.3 1.3 0 0 1 0 10.3M1.2.6h.01" },
  k: { width: 4, path: "M0 0V8M3.8 3L0 6.2M1.5 5L4 8" },
  l: { width: 0, path: "M0 0V8" },
  m: { width: 7.6, path: "M0 3V8M0 5A1.9 1.9 0 0 1 3.8 5V8M3.8 5A1.9 1.9 0 0 1 7.6 5V8" },
  n: { width: 4.4, path: `M0 3V8${ARCH}` },
  o: { width: 5, path: BOWL },
  p: { width: 5, path: `${BOWL}M0 3V10.5` },
  q: { width: 5, path: `${BOWL}M5 3V10.5` },
  r: { width: 2.8, path: "M0 3V8M0 5.6C.1 3.9 1.2 2.8 2.8 3.1" },
  s: { width: 4.2, path: "M4 3.9C3.3 2.6.3 2.6.3 4.3C.3 6.1 4.2 4.9 4.2 6.7C4.2 8.4 .9 8.4.1 7.1" },
  t: { width: 3.2, path: "M1.2 1V6.4A1.6 1.6 0 0 0 3.2 7.9M0 3H3" },
  u: { width: 4.4, path: "M0 3V5.8A2.2 2.2 0 0 0 4.4 5.8M4.4 3V8" },
  v: { width: 4.6, path: "M0 3L2.3 8L4.6 3" },
  w: { width: 6.8, path: "M0 3L1.7 8L3.4 3L5.1 8L6.8 3" },
  x: { width: 4.2, path: "M0 3L4.2 8M4.2 3L0 8" },
  y: { width: 4.6, path: "M0 3L2.3 8M4.6 3L1.3 10.3" },
  z: { width: 4.2, path: "M0 3H4.1L0 8H4.2" },
  "0": { width: 5, path: "M5 4A2.5 4 0 1 1 0 4A2.5 4 0 1 1 5 4" },
  "1": { width: 2.6, path: "M0 1.7L2.6 0V8" },
  "2": { width: 4.9, path: "M.3 2.3A2.2 2.2 0 0 1 4.7 2.3C4.7 4 3 5.2.1 8H4.9" },
  "3": {
    width: 4.8,
    path: "M.3 1.4C1.3-.5 4.5-.4 4.5 2C4.5 3.3 3.4 3.9 2 3.9C3.6 3.9 4.8 4.5 4.8 6C4.8 8.5 1.1 8.7 0 6.6",
  },
  "4": { width: 5, path: "M3.8 8V0L0 5.7H5" },
  "5": { width: 4.8, path: "M4.4 0H.9L.5 3.6C1.9 2.6 4.8 2.9 4.8 5.4C4.8 8.4 1.2 8.6 0 6.8" },
  "6": { width: 5, path: `${BOWL}M4.1.2C1.6.9 0 3 0 5.5` },
  "7": { width: 4.8, path: "M0 0H4.8L1.6 8" },
  "8": {
    width: 4.8,
    path: "M4.3 1.95A1.9 1.95 0 1 1 .5 1.95A1.9 1.95 0 1 1 4.3 1.95M4.8 5.95A2.4 2.05 0 1 1 0 5.95A2.4 2.05 0 1 1 4.8 5.95",
  },
  "9": { width: 5, path: "M5 2.5A2.5 2.5 0 1 1 0 2.5A2.5 2.5 0 1 1 5 2.5C5 5 3.4 7.1.9 7.8" },
  ".": { width: 0, path: "M0 7.9h.01" },
  ",": { width: 0.6, path: "M.6 7.8L0 9.3" },
  ":": { width: 0, path: "M0 3.8h.01M0 7.9h.01" },
  "-": { width: 3, path: "M0 5.3H3" },
  "+": { width: 4, path: "M0 5H4M2 3V7" },
  "/": { width: 3.4, path: "M0 9.2L3.4-.4" },
  "(": { width: 1.6, path: "M1.6-.6C-.5 2 -.5 7 1.6 9.6" },
  ")": { width: 1.6, path: "M0-.6C2.1 2 2.1 7 0 9.6" },
  "'": { width: 0, path: "M0 0V1.8" },
  '"': { width: 1.6, path: "M0 0V1.8M1.6 0V1.8" },
  "?": { width: 4, path: "M0 1.9A2 2 0 1 1 3 3.6C2.2 4.1 2 4.6 2 5.6M2 7.9h.01" },
};

const LETTER_GAP = 2;
const SPACE_WIDTH = 3;

export interface TextLine {
  /** Elements for the content of an `<svg>`. */
  svg: string;
  /** From the left edge of the first stroke to the right edge of the last. */
  width: number;
}

export interface TextStyle {
  /** Left edge, and the base line. */
  x: number;
  y: number;
  /** Height of a digit in pixels. */
  size: number;
  colour: string;
  /** Width of the strokes over the height of a digit. */
  weight?: number;
}

/** Draws capitals as lower-case letters, and characters outside the alphabet as question marks. */
export function drawText(text: string, { x, y, size, colour, weight = 0.13 }: TextStyle): TextLine {
  const unit = size / 8;
  const stroke = weight * 8;
  let pen = 0;
  let shapes = "";
  for (const character of text.toLowerCase()) {
    if (character === " ") {
      pen += SPACE_WIDTH;
      continue;
    }
    const glyph = GLYPHS[character] ?? (GLYPHS["?"] as Glyph);
    shapes += `<path transform="translate(${pen.toFixed(2)})" d="${glyph.path}"/>`;
    pen += glyph.width + LETTER_GAP;
  }
  const place = `translate(${x + (stroke * unit) / 2},${y}) scale(${unit}) translate(0,-8)`;
  const svg =
    `<g transform="${place}" fill="none" stroke="${colour}" stroke-width="${stroke}" ` +
    `stroke-linecap="round" stroke-linejoin="round">${shapes}</g>`;
  return { svg, width: Math.max(0, pen - LETTER_GAP + stroke) * unit };
}
