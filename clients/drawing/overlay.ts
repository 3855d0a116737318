/** Masks on a picture: a translucent fill and a bright outline in the object's colour, and its id in a badge. */
import { drawMask } from "../../server/drawing/draw-mask.js";
import { colourOf } from "../../server/drawing/palette.js";
import { drawSprite, type Picture, type Sprite } from "../../server/drawing/picture.js";
import { maskBox, type Outputs, objectsOf, type PixelBox } from "../typescript/index.js";

export interface OverlayStyle {
  /** Width of the outline in pixels. */
  thickness: number;
  /** The label of an object. */
  badge(objectId: number): Promise<Sprite>;
}

/** Draws every object of one frame. Badges come last, so that no mask hides one. */
export async function drawOutputs(picture: Picture, outputs: Outputs, style: OverlayStyle): Promise<void> {
  const objects = objectsOf(outputs).map((object) => ({ ...object, box: maskBox(object.rle) }));
  for (const { id, box, decodeMask } of objects) {
    drawMask(picture, decodeMask(), box, colourOf(id), style.thickness);
  }
  for (const { id, box } of objects) {
    const badge = await style.badge(id);
    const [x, y] = badgePlace(picture, badge, box);
    drawSprite(picture, badge, x, y);
  }
}

/** Above the centre of the object, moved into the picture when necessary. */
function badgePlace(picture: Picture, badge: Sprite, [x, y, width]: PixelBox): [x: number, y: number] {
  const left = Math.round(x + (width - badge.width) / 2);
  const top = y - badge.height - 2;
  return [
    Math.max(0, Math.min(picture.width - badge.width, left)),
    Math.max(0, Math.min(picture.height - badge.height, top)),
  ];
}
