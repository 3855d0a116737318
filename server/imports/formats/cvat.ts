/** CVAT for video 1.1: tracks of masks, polygons and boxes. */
import { SaxesParser, type SaxesTagPlain } from "saxes";
import type { CocoRle, PixelBox } from "../../../protocol/index.js";
import { maskOfRowRuns } from "../../exports/row-runs.js";
import { type Annotation, ImportError, type ImportFormat, type Item, textOf } from "../annotation.js";
import { unionOfPolygons } from "./coco.js";

type Attributes = Readonly<Record<string, string>>;

const SHAPES: Record<string, (attributes: Attributes, size: Size) => Pick<Annotation, "mask" | "box">> = {
  mask: (attributes, size) => ({ mask: readMask(attributes, size) }),
  polygon(attributes, size) {
    const mask = unionOfPolygons([readPoints(attributes.points)], size);
    return mask ? { mask } : {};
  },
  box(attributes) {
    const [left, top, right, bottom] = ["xtl", "ytl", "xbr", "ybr"].map((name) =>
      readNumber(attributes, name),
    );
    return { box: [left, top, (right ?? 0) - (left ?? 0), (bottom ?? 0) - (top ?? 0)] as PixelBox };
  },
};

interface Size {
  width: number;
  height: number;
}

export const cvat: ImportFormat = {
  id: "cvat",
  title: "CVAT for video 1.1",
  extensions: [".xml"],
  content: "masks",
  read(files, video): Item[] {
    const items: Item[] = [];
    const path: string[] = [];
    let text = "";
    let track: Attributes | undefined;
    const size: Partial<Size> = {};
    const parser = new SaxesParser();
    parser.on("opentag", ({ name, attributes }: SaxesTagPlain) => {
      path.push(name);
      text = "";
      if (name === "track") track = attributes;
      else if (path.at(-2) === "track" && track) readShape(name, attributes, track);
    });
    parser.on("text", (part) => {
      text += part;
    });
    parser.on("closetag", ({ name }: SaxesTagPlain) => {
      path.pop();
      if (path.at(-1) === "original_size" && (name === "width" || name === "height"))
        size[name] = Number(text);
      // Of the task: in the element meta of an export of a job, <size> counts the frames of the job.
      if (path.at(-1) === "task" && name === "size" && Number(text) > 0)
        items.push({ madeFor: { numFrames: Number(text) } });
      if (name === "track") track = undefined;
    });
    parser.on("error", (error) => {
      throw new ImportError(`expected XML: ${error.message}`);
    });

    function readShape(name: string, attributes: Attributes, { id = "", label = "" }: Attributes): void {
      const where = `track ${id}, frame ${attributes.frame}`;
      if (attributes.outside === "1") return;
      const read = SHAPES[name];
      if (!read) {
        items.push({ skipped: `a ${name} has no area`, where });
        return;
      }
      const picture = { width: size.width ?? video.width, height: size.height ?? video.height };
      items.push({
        frameIndex: readNumber(attributes, "frame"),
        track: id,
        ...(/^\d+$/.test(id) && { objectId: Number(id) }),
        ...(label && { category: label }),
        size: picture,
        ...read(attributes, picture),
      });
    }

    parser.write(textOf(files, /\.xml$/)).close();
    if (items.length === 0) throw new ImportError("expected <track> elements with shapes, found none");
    return items;
  },
};

function readNumber(attributes: Attributes, name: string): number {
  const value = Number(attributes[name] ?? Number.NaN);
  if (Number.isFinite(value)) return value;
  throw new ImportError(`the attribute ${name}: expected a number, got "${attributes[name]}"`);
}

function readPoints(text = ""): number[] {
  const points = text.split(/[;,]/).map(Number);
  if (points.some((value) => !Number.isFinite(value)))
    throw new ImportError("the attribute points: expected numbers");
  return points;
}

/** Run lengths row by row inside a box, background first. */
function readMask(attributes: Attributes, { width: fullWidth, height: fullHeight }: Size): CocoRle {
  const [left, top, width, height] = ["left", "top", "width", "height"].map((name) =>
    readNumber(attributes, name),
  ) as [number, number, number, number];
  if (width < 1 || height < 1 || width > fullWidth || height > fullHeight) {
    throw new ImportError(`a mask has ${width}x${height} pixels in a frame of ${fullWidth}x${fullHeight}`);
  }
  const runs = (attributes.rle ?? "").split(",").map((run) => {
    const length = Number(run);
    if (!Number.isInteger(length) || length < 0) throw new ImportError(`the attribute rle: got "${run}"`);
    return length;
  });
  return maskOfRowRuns(runs, [left, top, width, height], [fullHeight, fullWidth]);
}
