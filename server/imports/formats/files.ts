/** Formats with a file a frame: labelme, the palette PNGs of DAVIS, and PNGs with one mask. */
import { decode } from "fast-png";
import { z } from "zod";
import { encodeMask } from "../../../protocol/index.js";
import { placeMask } from "../../exports/crop.js";
import { frameOfName, ImportError, type ImportFormat, type Item, jsonOf } from "../annotation.js";
import { unionOfPolygons } from "./coco.js";

/** The pixels of one frame; larger pictures are not decoded. */
const MAX_PIXELS = 40_000_000;

/** The files whose name matches, with the frame of the last number in it. @throws ImportError when there is none */
export function* filesLike(
  files: ReadonlyMap<string, Uint8Array>,
  pattern: RegExp,
): Generator<{ name: string; bytes: Uint8Array; frameIndex: number }> {
  let found = 0;
  for (const [name, bytes] of files) {
    const frameIndex = frameOfName(name);
    if (!pattern.test(name) || frameIndex === undefined) continue;
    found++;
    yield { name, bytes, frameIndex };
  }
  if (found === 0)
    throw new ImportError(`expected files with the number of their frame, such as 00012, like ${pattern}`);
}

const labelmeSchema = z.looseObject({
  imageHeight: z.int().min(1),
  imageWidth: z.int().min(1),
  shapes: z.array(
    z.looseObject({
      label: z.string(),
      shape_type: z.string().default("polygon"),
      group_id: z.int().min(0).nullish(),
      points: z.array(z.tuple([z.number(), z.number()])),
      mask: z.string().nullish(),
    }),
  ),
});

/** Shapes of one `group_id` are pieces of one object. */
export const labelme: ImportFormat = {
  id: "labelme",
  title: "labelme",
  extensions: [".json"],
  content: "masks",
  *read(files): Generator<Item> {
    for (const { name, bytes, frameIndex } of filesLike(files, /\.json$/)) {
      const file = jsonOf(new TextDecoder().decode(bytes), labelmeSchema, name);
      const size = { width: file.imageWidth, height: file.imageHeight };
      for (const [group, shapes] of groupShapes(file.shapes, name)) {
        const rings: number[][] = [];
        for (const [at, { shape_type, points, mask, label }] of shapes) {
          const common = {
            frameIndex,
            track: String(group),
            ...(typeof group === "number" && { objectId: group }),
            category: label,
            size,
          };
          if (shape_type === "polygon") rings.push(points.flat());
          else if (shape_type === "mask" && mask) {
            const part = decodePng(Buffer.from(mask, "base64"), `${name}, shapes[${at}]`);
            const [x, y] = points[0] ?? [0, 0];
            const placed = placeMask(
              encodeMask(part.data, part.width, part.height),
              [Math.round(x), Math.round(y)],
              [size.height, size.width],
            );
            yield { ...common, mask: placed };
          } else
            yield {
              skipped: `shapes of the type ${shape_type} are not supported`,
              where: `${name}, shapes[${at}]`,
            };
        }
        const mask = unionOfPolygons(rings, size);
        const category = shapes[0]?.[1].label;
        if (mask) {
          yield {
            frameIndex,
            track: String(group),
            ...(typeof group === "number" && { objectId: group }),
            ...(category !== undefined && { category }),
            size,
            mask,
          };
        }
      }
    }
  },
};

type Shape = z.output<typeof labelmeSchema>["shapes"][number];

function groupShapes(shapes: readonly Shape[], name: string): Map<number | string, [number, Shape][]> {
  const groups = new Map<number | string, [number, Shape][]>();
  for (const [at, shape] of shapes.entries()) {
    const group = shape.group_id ?? `${name} ${at}`;
    groups.set(group, [...(groups.get(group) ?? []), [at, shape]]);
  }
  return groups;
}

/** The value of a pixel is its object; 0 is background and 255 is ignored. */
export const davis: ImportFormat = {
  id: "davis",
  title: "DAVIS (palette PNG)",
  extensions: [".png"],
  content: "masks",
  *read(files): Generator<Item> {
    const list = [...files].find(([name]) => name.endsWith("objects.json"))?.[1];
    const objects = list ? jsonOf(new TextDecoder().decode(list), objectsSchema, "objects.json") : undefined;
    const known = new Map(objects?.map((object) => [object.value, object]));
    for (const { name, bytes, frameIndex } of filesLike(files, /\.png$/)) {
      const { width, height, data } = decodePng(bytes, name);
      const values = new Set(data);
      for (const value of [...values].sort((a, b) => a - b)) {
        if (value === 0 || value === 255) continue;
        const object = known.get(value);
        yield {
          frameIndex,
          track: String(value),
          objectId: object?.object_id ?? value - 1,
          ...(object?.category !== undefined && { category: object.category }),
          size: { width, height },
          mask: encodeMask(
            Uint8Array.from(data, (one) => (one === value ? 1 : 0)),
            width,
            height,
          ),
        };
      }
    }
  },
};

/** A folder an object, as SA-V's validation set has them too. Pixels that are not 0 belong to the object. */
export const maskPngs: ImportFormat = {
  id: "mask-png",
  title: "Masks as PNG",
  extensions: [".png"],
  content: "masks",
  *read(files): Generator<Item> {
    for (const { name, bytes, frameIndex } of filesLike(files, /\.png$/)) {
      const folder = name.split("/").slice(0, -1).join("/");
      const { width, height, data } = decodePng(bytes, name);
      if (data.every((value) => value === 0)) continue;
      const objectId = frameOfName(folder);
      yield {
        frameIndex,
        track: folder === "" ? "masks" : folder,
        ...(objectId !== undefined && { objectId }),
        size: { width, height },
        mask: encodeMask(
          data.map((value) => (value === 0 ? 0 : 1)),
          width,
          height,
        ),
      };
    }
  },
};

const objectsSchema = z.array(
  z.looseObject({ value: z.int(), object_id: z.int().min(0), category: z.string().exactOptional() }),
);

/** One value a pixel: the index of its colour, or its grey. */
function decodePng(bytes: Uint8Array, where: string): { width: number; height: number; data: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 24 || view.getUint32(16) * view.getUint32(20) > MAX_PIXELS) {
    throw new ImportError(`${where}: expected a PNG of at most ${MAX_PIXELS} pixels`);
  }
  try {
    const { width, height, depth, channels, data } = decode(bytes);
    if (channels !== 1 || depth > 8)
      throw new Error("expected a palette or greyscale picture of at most 8 bits");
    return {
      width,
      height,
      data: depth === 8 ? (data as Uint8Array) : unpack(data as Uint8Array, width, height, depth),
    };
  } catch (cause) {
    throw new ImportError(`${where}: ${(cause as Error).message}`, { cause });
  }
}

/** Pixels of 1, 2 or 4 bits, as bytes. */
function unpack(packed: Uint8Array, width: number, height: number, depth: number): Uint8Array {
  const rowBytes = Math.ceil((width * depth) / 8);
  const data = new Uint8Array(width * height);
  for (let at = 0; at < data.length; at++) {
    const x = (at % width) * depth;
    const byte = packed[Math.floor(at / width) * rowBytes + (x >> 3)] as number;
    data[at] = (byte >> (8 - depth - (x & 7))) & ((1 << depth) - 1);
  }
  return data;
}
