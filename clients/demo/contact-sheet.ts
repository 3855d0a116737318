/** A page of frames with a heading and a legend. */
import sharp, { type OverlayOptions } from "sharp";
import { colourOf, cssColour } from "../../server/drawing/palette.js";
import type { Picture } from "../../server/drawing/picture.js";
import { drawText } from "../drawing/glyphs.js";

export interface SheetTile {
  caption: string;
  picture: Picture;
  /** The click, in pixels of the picture. */
  clicks?: readonly (readonly [x: number, y: number])[];
}

export interface LegendEntry {
  /** The prompt, or a note about further objects. */
  label: string;
  /** The objects of the prompt. An entry without objects is drawn fainter. */
  objectIds: readonly number[];
}

export interface Sheet {
  title: string;
  subtitle: string;
  legend: readonly LegendEntry[];
  tiles: readonly SheetTile[];
}

const COLUMNS = 4;
const TILE_WIDTH = 320;
const MARGIN = 24;
const GAP = 14;
const CAPTION_HEIGHT = 26;
const LEGEND_TOP = 76;
const LEGEND_LINE = 34;
const CORNER = 6;

const INK = "#f0f2f5";
const FAINT_INK = "#8b93a1";
const PAPER = "#14161b";

export const SHEET_WIDTH = 2 * MARGIN + COLUMNS * TILE_WIDTH + (COLUMNS - 1) * GAP;

/** Writes the page as a PNG with a palette, which keeps the file small. */
export async function writeContactSheet(path: string, sheet: Sheet): Promise<void> {
  const [first] = sheet.tiles;
  if (!first) throw new RangeError("a contact sheet needs at least one tile");
  const tileHeight = Math.round((TILE_WIDTH * first.picture.height) / first.picture.width);
  const legend = drawLegend(sheet.legend);
  const top = LEGEND_TOP + legend.lines * LEGEND_LINE + 14;
  const rows = Math.ceil(sheet.tiles.length / COLUMNS);
  const height = top + rows * (tileHeight + CAPTION_HEIGHT + GAP) - GAP + MARGIN - 8;

  const places = sheet.tiles.map((tile, index) => ({
    tile,
    left: MARGIN + (index % COLUMNS) * (TILE_WIDTH + GAP),
    top: top + Math.floor(index / COLUMNS) * (tileHeight + CAPTION_HEIGHT + GAP),
  }));
  const captions = places.map(({ tile, left, top: tileTop }) => {
    const y = tileTop + tileHeight + 18;
    return drawText(tile.caption, { x: left, y, size: 10, colour: FAINT_INK }).svg;
  });
  const page = svg(
    SHEET_WIDTH,
    height,
    `<rect width="100%" height="100%" fill="${PAPER}"/>${drawHeading(sheet)}${legend.svg}${captions.join("")}`,
  );
  const pictures = await Promise.all(
    places.map(async ({ tile, left, top: tileTop }): Promise<OverlayOptions> => {
      return { input: await drawTile(tile, tileHeight), left, top: tileTop };
    }),
  );
  await sharp(Buffer.from(page)).composite(pictures).png({ palette: true, effort: 8 }).toFile(path);
}

function drawHeading({ title, subtitle }: Sheet): string {
  const heading = drawText(title, { x: MARGIN, y: 48, size: 21, colour: INK, weight: 0.16 });
  const note = drawText(subtitle, { x: MARGIN + heading.width + 20, y: 48, size: 12, colour: FAINT_INK });
  return heading.svg + note.svg;
}

/** The entries in lines; an entry that does not fit starts a new line. */
function drawLegend(entries: readonly LegendEntry[]): { svg: string; lines: number } {
  const badge = 22;
  let x = MARGIN;
  let line = 0;
  let shapes = "";
  for (const { label, objectIds } of entries) {
    const found = objectIds.length > 0;
    const measure = drawText(label, { x: 0, y: 0, size: 13, colour: INK }).width;
    const width = Math.max(1, objectIds.length) * (badge + 5) + 5 + measure;
    if (x > MARGIN && x + width > SHEET_WIDTH - MARGIN) {
      x = MARGIN;
      line++;
    }
    const middle = LEGEND_TOP + line * LEGEND_LINE + badge / 2;
    let pen = x;
    for (const id of objectIds) {
      shapes += drawBadge(String(id), pen, middle, badge, cssColour(colourOf(id)));
      pen += badge + 5;
    }
    if (!found) {
      const frame = `x="${pen + 1}" y="${middle - badge / 2 + 1}" width="${badge - 2}" height="${badge - 2}" rx="5"`;
      shapes += `<rect ${frame} fill="none" stroke="${FAINT_INK}" stroke-width="1.5" stroke-dasharray="3 3"/>`;
      pen += badge + 5;
    }
    const colour = found ? INK : FAINT_INK;
    shapes += drawText(label, { x: pen + 5, y: middle + 6.5, size: 13, colour }).svg;
    x += width + 34;
  }
  return { svg: shapes, lines: line + 1 };
}

function drawBadge(text: string, x: number, middle: number, side: number, colour: string): string {
  const size = side * 0.54;
  const style = { y: middle + size / 2, size, colour: "#0b0d11", weight: 0.17 };
  const { width } = drawText(text, { ...style, x: 0 });
  return (
    `<rect x="${x}" y="${middle - side / 2}" width="${side}" height="${side}" rx="6" fill="${colour}"/>` +
    drawText(text, { ...style, x: x + (side - width) / 2 }).svg
  );
}

async function drawTile({ picture, clicks = [] }: SheetTile, height: number): Promise<Buffer> {
  const { width: sourceWidth, height: sourceHeight, rgb } = picture;
  const marks = clicks.map(([x, y]) => {
    const centre = `cx="${(x * TILE_WIDTH) / sourceWidth}" cy="${(y * height) / sourceHeight}"`;
    return (
      `<circle ${centre} r="8" fill="none" stroke="#0b0d11" stroke-width="4.5" opacity=".6"/>` +
      `<circle ${centre} r="8" fill="none" stroke="#fff" stroke-width="2.2"/><circle ${centre} r="2.6" fill="#fff"/>`
    );
  });
  const corners = svg(TILE_WIDTH, height, `<rect width="100%" height="100%" rx="${CORNER}" fill="#fff"/>`);
  return sharp(rgb, { raw: { width: sourceWidth, height: sourceHeight, channels: 3 } })
    .resize(TILE_WIDTH, height, { fit: "fill" })
    .composite([
      { input: Buffer.from(svg(TILE_WIDTH, height, marks.join(""))) },
      { input: Buffer.from(corners), blend: "dest-in" },
    ])
    .png()
    .toBuffer();
}

function svg(width: number, height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${content}</svg>`;
}
