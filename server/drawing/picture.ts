/** Pixels in memory, with functions to blend a colour and to draw a sprite. */

export interface Picture {
  width: number;
  height: number;
  /** `[height, width, 3]` uint8, red green blue. */
  rgb: Uint8Array;
}

/** A small picture with transparency, `[height, width, 4]` uint8, colours not multiplied by alpha. */
export interface Sprite {
  width: number;
  height: number;
  rgba: Uint8Array;
}

export type Colour = readonly [red: number, green: number, blue: number];

/** Mixes `colour` into the pixel at byte offset `at`; opacity 0..1. */
export function blendPixel(rgb: Uint8Array, at: number, colour: Colour, opacity: number): void {
  for (let channel = 0; channel < 3; channel++) {
    const below = rgb[at + channel] ?? 0;
    rgb[at + channel] = Math.round(below + ((colour[channel] ?? 0) - below) * opacity);
  }
}

/** Draws the sprite with its top left corner at x, y; pixels outside the picture are ignored. */
export function drawSprite(picture: Picture, sprite: Sprite, x: number, y: number): void {
  const x0 = Math.max(0, x);
  const y0 = Math.max(0, y);
  const x1 = Math.min(picture.width, x + sprite.width);
  const y1 = Math.min(picture.height, y + sprite.height);
  for (let row = y0; row < y1; row++) {
    for (let column = x0; column < x1; column++) {
      const from = ((row - y) * sprite.width + column - x) * 4;
      const alpha = sprite.rgba[from + 3] ?? 0;
      if (alpha === 0) continue;
      const colour: Colour = [sprite.rgba[from] ?? 0, sprite.rgba[from + 1] ?? 0, sprite.rgba[from + 2] ?? 0];
      blendPixel(picture.rgb, (row * picture.width + column) * 3, colour, alpha / 255);
    }
  }
}
