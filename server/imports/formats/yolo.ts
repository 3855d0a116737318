/** YOLO: a text file a frame. Segmentation has polygons without identities; tracking has boxes with them. */
import { type PixelBox, rleOfPolygons } from "../../../protocol/index.js";
import { ImportError, type ImportFormat } from "../annotation.js";
import { filesLike } from "./files.js";

interface Line {
  frameIndex: number;
  where: string;
  /** Of `data.yaml`. */
  category?: string;
  /** The numbers after the class. */
  values: number[];
}

function* linesOf(files: ReadonlyMap<string, Uint8Array>): Generator<Line> {
  const yaml = [...files].find(([name]) => name.endsWith("data.yaml"))?.[1];
  const names = new Map(
    [...(yaml ? new TextDecoder().decode(yaml) : "").matchAll(/^\s+(\d+):\s*"?(.*?)"?\s*$/gm)].map(
      ([, id, name]) => [Number(id), name as string],
    ),
  );
  for (const { name, bytes, frameIndex } of filesLike(files, /\d\.txt$/)) {
    for (const [at, line] of new TextDecoder().decode(bytes).split("\n").entries()) {
      if (line.trim() === "") continue;
      const [id = -1, ...values] = line.trim().split(/\s+/).map(Number);
      const category = names.get(id);
      yield {
        frameIndex,
        where: `${name}, line ${at + 1}`,
        ...(category !== undefined && { category }),
        values,
      };
    }
  }
}

const isShare = (value: number) => value >= 0 && value <= 1;

/** Every polygon is an object of its own. */
export const yoloSeg: ImportFormat = {
  id: "yolo-seg",
  title: "YOLO segmentation",
  extensions: [".txt"],
  content: "masks",
  *read(files, { width, height }) {
    for (const { frameIndex, where, category, values } of linesOf(files)) {
      if (values.length < 6 || values.length % 2 === 1 || !values.every(isShare))
        throw new ImportError(`${where}: expected "class x y x y …" with values from 0 to 1`);
      const ring = values.map((value, index) => value * (index % 2 === 0 ? width : height));
      yield {
        ...{ frameIndex, track: where, ...(category !== undefined && { category }) },
        mask: rleOfPolygons([ring], [height, width]),
      };
    }
  },
};

/** Ids count from 1. A line without an id is an object of its own. */
export const yoloTrack: ImportFormat = {
  id: "yolo-track",
  title: "YOLO tracking (boxes)",
  extensions: [".txt"],
  content: "boxes",
  *read(files, { width, height }) {
    for (const { frameIndex, where, category, values } of linesOf(files)) {
      const [x = 0, y = 0, w = 0, h = 0, id] = values;
      const isId = id === undefined || (Number.isInteger(id) && id >= 0);
      if (values.length < 4 || values.length > 5 || ![x, y, w, h].every(isShare) || !isId) {
        throw new ImportError(
          `${where}: expected "class x y width height id" with the centre and the size of the box from 0 to 1`,
        );
      }
      yield {
        ...{
          frameIndex,
          track: id === undefined ? where : String(id),
          ...(category !== undefined && { category }),
        },
        ...(id !== undefined && id >= 1 && { objectId: id - 1 }),
        box: [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height] as PixelBox,
      };
    }
  },
};
