/** MOTS and MOT: a line for each object on each frame. */
import type { PixelBox } from "../../../protocol/index.js";
import { ImportError, type ImportFormat, type Item, textOf } from "../annotation.js";

const INSTANCES_PER_CLASS = 1000;

function* linesOf(text: string): Generator<{ line: string; where: string }> {
  for (const [at, line] of text.split("\n").entries()) {
    if (line.trim() !== "") yield { line: line.trim(), where: `line ${at + 1}` };
  }
}

/** Frames count from 1. With a class, an id is the class times 1000 plus the object. */
export const mots: ImportFormat = {
  id: "mots",
  title: "MOTS",
  extensions: [".txt"],
  content: "masks",
  *read(files): Generator<Item> {
    for (const { line, where } of linesOf(textOf(files, /^(?!.*classes\.txt$).*\.txt$/))) {
      const [frame, id, , height, width, counts] = line.split(" ");
      const numbers = [frame, id, height, width].map(Number);
      if (counts === undefined || numbers.some((value) => !Number.isInteger(value) || value < 0)) {
        throw new ImportError(`${where}: expected "frame id class_id height width rle"`);
      }
      const [frameNumber = 0, trackId = 0, rows = 0, columns = 0] = numbers;
      yield {
        frameIndex: frameNumber - 1,
        track: String(trackId),
        objectId: trackId % INSTANCES_PER_CLASS,
        size: { width: columns, height: rows },
        mask: { size: [rows, columns], counts },
      };
    }
  },
};

/** Frames and ids count from 1. A line whose confidence is 0 is to be ignored. */
export const mot: ImportFormat = {
  id: "mot",
  title: "MOT (boxes)",
  extensions: [".txt"],
  content: "boxes",
  *read(files): Generator<Item> {
    const labels = [...files].find(([name]) => /(^|\/)labels\.txt$/.test(name))?.[1];
    const names = labels ? new TextDecoder().decode(labels).split("\n") : [];
    for (const { line, where } of linesOf(textOf(files, /(^|\/)gt\.txt$/))) {
      const values = line.split(",").map(Number);
      const [frame = 0, id = 0, x = 0, y = 0, width = 0, height = 0, confidence = 1, category = 0] = values;
      if (values.length < 6 || values.some((value) => !Number.isFinite(value)) || frame < 1) {
        throw new ImportError(
          `${where}: expected "frame,id,left,top,width,height,confidence,class,visibility"`,
        );
      }
      if (confidence === 0) {
        yield { skipped: "its confidence is 0", where };
        continue;
      }
      const name = names[category - 1]?.trim();
      yield {
        frameIndex: frame - 1,
        track: String(id),
        ...(id >= 1 && { objectId: id - 1 }),
        ...(name && { category: name }),
        box: [x, y, width, height] as PixelBox,
      };
    }
  },
};
