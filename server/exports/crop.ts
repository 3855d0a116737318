import { type CocoRle, type PixelBox, rleOfTurns, turnsOf } from "../../protocol/index.js";

/** The part of a mask inside a box. The mask must be empty outside it. */
export function cropMask(mask: CocoRle, [left, top, width, height]: PixelBox): CocoRle {
  const [fullHeight] = mask.size;
  const turns = turnsOf(mask);
  const cropped: number[] = [];
  for (let index = 0; index < turns.length; index += 2) {
    const [start, end] = [turns[index] as number, turns[index + 1] as number];
    // A run that continues in the next column fills both to their edges, so the box has the full height.
    const column = Math.floor(start / fullHeight);
    const lastColumn = Math.floor((end - 1) / fullHeight);
    cropped.push((column - left) * height + start - column * fullHeight - top);
    cropped.push((lastColumn - left) * height + end - lastColumn * fullHeight - top);
  }
  return rleOfTurns(Int32Array.from(cropped), [height, width]);
}

/** The mask on a larger picture, with its top left corner at x, y. Pixels outside the picture are dropped. */
export function placeMask(mask: CocoRle, [x, y]: readonly [number, number], size: CocoRle["size"]): CocoRle {
  const [height] = mask.size;
  const [fullHeight, fullWidth] = size;
  const turns = turnsOf(mask);
  const placed: number[] = [];
  for (let index = 0; index < turns.length; index += 2) {
    const end = turns[index + 1] as number;
    for (let at = turns[index] as number; at < end; ) {
      const column = Math.floor(at / height);
      const stop = Math.min(end, (column + 1) * height);
      const from = Math.max(0, at - column * height + y);
      const to = Math.min(fullHeight, stop - column * height + y);
      const target = column + x;
      if (target >= 0 && target < fullWidth && from < to) {
        const [start, finish] = [target * fullHeight + from, target * fullHeight + to];
        if (placed.at(-1) === start) placed.pop();
        else placed.push(start);
        placed.push(finish);
      }
      at = stop;
    }
  }
  return rleOfTurns(Int32Array.from(placed), size);
}
