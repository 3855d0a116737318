import sharp from "sharp";
import { colourOf, cssColour } from "../../server/drawing/palette.js";
import type { Sprite } from "../../server/drawing/picture.js";
import { drawText } from "./glyphs.js";
import type { OverlayStyle } from "./overlay.js";

/** Relative to the short side of the picture: visible on large pictures, small on small ones. */
const OUTLINE_THICKNESS = 1 / 240;
const BADGE_HEIGHT = 1 / 26;
/** Smaller digits are illegible. */
const MIN_BADGE_HEIGHT_PX = 13;

/** @param emphasis enlarges outlines and badges, for pictures that are displayed at a smaller size */
export function createOverlayStyle(picture: { width: number; height: number }, emphasis = 1): OverlayStyle {
  const side = Math.min(picture.width, picture.height) * emphasis;
  const badgeHeight = Math.max(MIN_BADGE_HEIGHT_PX * emphasis, Math.round(side * BADGE_HEIGHT));
  const drawn = new Map<number, Promise<Sprite>>();
  return {
    thickness: Math.max(1, Math.round(side * OUTLINE_THICKNESS)),
    badge(objectId) {
      const badge = drawn.get(objectId) ?? drawBadge(objectId, badgeHeight);
      drawn.set(objectId, badge);
      return badge;
    },
  };
}

/** The id in a rounded rectangle of the object's colour. */
async function drawBadge(objectId: number, height: number): Promise<Sprite> {
  const text = String(objectId);
  const size = height * 0.56;
  const style = { size, y: height / 2 + size / 2, colour: "#0b0d11", weight: 0.17 };
  const textWidth = drawText(text, { ...style, x: 0 }).width;
  const width = Math.max(height, Math.round(textWidth + height * 0.56));
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    `<rect width="${width}" height="${height}" rx="${height * 0.28}" fill="${cssColour(colourOf(objectId))}"/>` +
    `${drawText(text, { ...style, x: (width - textWidth) / 2 }).svg}</svg>`;
  const { data, info } = await sharp(Buffer.from(svg))
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgba: data };
}
