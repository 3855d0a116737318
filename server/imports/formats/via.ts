/** VGG Image Annotator 2: the annotations as JSON or CSV, or a saved project. */
import { z } from "zod";
import { type PixelBox, rleOfPolygons, uniteMasks } from "../../../protocol/index.js";
import {
  frameOfName,
  ImportError,
  type ImportFormat,
  type ImportVideo,
  type Item,
  jsonOf,
  textOf,
} from "../annotation.js";

const shape = z.looseObject({
  name: z.string().exactOptional(),
  all_points_x: z.array(z.number()).exactOptional(),
  all_points_y: z.array(z.number()).exactOptional(),
  x: z.number().exactOptional(),
  y: z.number().exactOptional(),
  width: z.number().min(0).exactOptional(),
  height: z.number().min(0).exactOptional(),
});
/** Attributes are defined by the project: text, or an object with the chosen options. */
const attributes = z.record(z.string(), z.unknown());

const region = z.looseObject({ shape_attributes: shape, region_attributes: attributes.default({}) });

const picture = z.looseObject({
  filename: z.string(),
  // A list since VIA 2, numbered properties before.
  regions: z.union([z.array(region), z.record(z.string(), region)]),
  file_attributes: attributes.default({}),
});

const annotations = z.record(z.string(), picture);
const file = z.union([z.looseObject({ _via_img_metadata: annotations }), annotations], {
  error: "expected the annotations or a project of VIA 2",
});

type Picture = Pick<z.output<typeof picture>, "filename" | "file_attributes">;
type Region = z.output<typeof region>;

/** Attributes whose text is the category, the first one that is there. */
const CATEGORY_ATTRIBUTES = ["category", "class", "label", "type"];

/**
 * Regions of one picture with the same attribute `object_id` are pieces of one object; without it, every region is an object of
 * its own. The file does not contain the size of the pictures: it is that of the video.
 */
export const via: ImportFormat = {
  id: "via",
  title: "VGG VIA",
  extensions: [".json", ".csv"],
  content: "masks",
  *read(files, video): Generator<Item> {
    const text = textOf(files, /\.(json|csv)$/);
    if (!text.trimStart().startsWith("{")) {
      yield* readCsv(text, video);
      return;
    }
    const parsed = jsonOf(text, file);
    const pictures = "_via_img_metadata" in parsed ? parsed._via_img_metadata : parsed;
    for (const [key, one] of Object.entries(pictures as z.output<typeof annotations>)) {
      const regions = Object.values(one.regions).map((value, at) => ({
        value,
        where: `${key}, regions[${at}]`,
      }));
      yield* readPicture(one, regions, video);
    }
  },
};

const CSV_COLUMNS = ["filename", "file_attributes", "region_shape_attributes", "region_attributes"] as const;

function* readCsv(text: string, video: ImportVideo): Generator<Item> {
  const [header = [], ...rows] = csvRows(text);
  const columns = CSV_COLUMNS.map((name) => header.indexOf(name));
  if (columns.includes(-1)) throw new ImportError(`line 1: expected the columns ${CSV_COLUMNS.join(", ")}`);
  const pictures = new Map<string, { picture: Picture; regions: PlacedRegion[] }>();
  for (const [at, row] of rows.entries()) {
    const where = `row ${at + 1}`;
    const [filename, ofFile, ofShape, ofRegion] = columns.map((column) => row[column]);
    if (filename === undefined || ofFile === undefined || ofShape === undefined || ofRegion === undefined)
      throw new ImportError(`${where}: expected ${header.length} values, got ${row.length}`);
    const known = pictures.get(filename) ?? {
      picture: { filename, file_attributes: jsonOf(ofFile, attributes, where) },
      regions: [],
    };
    pictures.set(filename, known);
    const shape_attributes = jsonOf(ofShape, shape, where);
    // The row of a picture without regions.
    if (Object.keys(shape_attributes).length === 0) continue;
    const value = { shape_attributes, region_attributes: jsonOf(ofRegion, attributes, where) };
    known.regions.push({ value, where });
  }
  for (const { picture, regions } of pictures.values()) yield* readPicture(picture, regions, video);
}

interface PlacedRegion {
  value: Region;
  where: string;
}

function* readPicture(
  { filename, file_attributes }: Picture,
  regions: readonly PlacedRegion[],
  { width, height }: ImportVideo,
): Generator<Item> {
  const frameIndex = integerOf(file_attributes.frame_index) ?? frameOfName(filename);
  if (frameIndex === undefined) {
    yield { skipped: "the name of its picture contains no number of a frame", where: filename };
    return;
  }
  const objects = new Map<
    string,
    { id: number | undefined; category: string | undefined; rings: number[][] }
  >();
  for (const { value, where } of regions) {
    const { shape_attributes: drawn, region_attributes } = value;
    const id = integerOf(region_attributes.object_id);
    const track = id === undefined ? where : String(id);
    const category = CATEGORY_ATTRIBUTES.map((name) => region_attributes[name]).find(
      (text): text is string => typeof text === "string" && text !== "",
    );
    const { all_points_x: xs, all_points_y: ys, x, y } = drawn;
    if (drawn.name === "polygon" && xs && ys && xs.length === ys.length) {
      const known = objects.get(track) ?? { id, category, rings: [] };
      known.rings.push(xs.flatMap((value, at) => [value, ys[at] as number]));
      objects.set(track, known);
    } else if (drawn.name === "rect" && x !== undefined && y !== undefined && drawn.width && drawn.height) {
      yield {
        ...{ frameIndex, track, ...(id !== undefined && { objectId: id }), ...(category && { category }) },
        box: [x, y, drawn.width, drawn.height] as PixelBox,
      };
    } else
      yield { skipped: `regions of the shape ${drawn.name ?? "without a name"} are not supported`, where };
  }
  for (const [track, { id, category, rings }] of objects) {
    const masks = rings
      .filter((ring) => ring.length >= 6)
      .map((ring) => rleOfPolygons([ring], [height, width]));
    if (masks.length === 0) {
      yield { skipped: "its polygon has fewer than 3 points", where: `${filename}, object ${track}` };
      continue;
    }
    yield {
      ...{ frameIndex, track, ...(id !== undefined && { objectId: id }), ...(category && { category }) },
      mask: uniteMasks(masks),
    };
  }
}

/** Attributes are text, also numbers. */
function integerOf(value: unknown): number | undefined {
  return /^\d{1,9}$/.test(String(value)) ? Number(value) : undefined;
}

/** Rows of values; a value in quotes may contain commas, line breaks and doubled quotes. */
function* csvRows(text: string): Generator<string[]> {
  const token = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  let row: string[] = [];
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const found = token.exec(text);
    if (!found) throw new ImportError(`character ${at + 1}: expected comma-separated values`);
    row.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? "");
    if (found[3] === ",") continue;
    yield row;
    row = [];
  }
}
