/** VGG Image Annotator 2: regions of all frames in one JSON, or as CSV (https://www.robots.ox.ac.uk/~vgg/software/via/). */
import { z } from "zod";
import { defineFormat, jsonElements, textFile } from "../format.js";
import { polygonTolerance } from "../options.js";
import { outlineOf } from "../outlines.js";
import { type ExportFrame, type ExportSource, frameName } from "../source.js";

const options = z.strictObject({
  file: z.enum(["json", "csv"]).default("json").describe("Form of the file"),
  polygon_tolerance_px: polygonTolerance,
});

/** The size of a file that is not there. */
const NO_SIZE = -1;

const CSV_HEADER =
  "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n";

export const via = defineFormat({
  id: "via",
  title: "VGG VIA",
  media: "text",
  packing: "file",
  needsPictures: false,
  options,
  async *files(source, { file, polygon_tolerance_px }) {
    yield textFile(`${source.facts.name}.via.${file}`, () =>
      file === "json" ? json(source, polygon_tolerance_px) : csv(source, polygon_tolerance_px),
    );
  },
});

async function* json(source: ExportSource, tolerancePx: number): AsyncGenerator<string> {
  let isFirst = true;
  yield "{\n";
  for await (const frame of source.frames()) {
    const filename = pictureName(source, frame);
    const attributes = { frame_index: String(frame.frameIndex) };
    yield `${isFirst ? "" : ",\n"}${JSON.stringify(`${filename}${NO_SIZE}`)}:`;
    yield `{"filename":${JSON.stringify(filename)},"size":${NO_SIZE},"regions":[`;
    yield* jsonElements(regions(source, frame, tolerancePx));
    yield `],"file_attributes":${JSON.stringify(attributes)}}`;
    isFirst = false;
  }
  yield "\n}\n";
}

async function* csv(source: ExportSource, tolerancePx: number): AsyncGenerator<string> {
  yield CSV_HEADER;
  for await (const frame of source.frames()) {
    const all = [...regions(source, frame, tolerancePx)];
    const start = [
      pictureName(source, frame),
      NO_SIZE,
      JSON.stringify({ frame_index: String(frame.frameIndex) }),
    ];
    if (all.length === 0) yield csvLine([...start, 0, 0, "{}", "{}"]);
    for (const [at, { shape_attributes, region_attributes }] of all.entries()) {
      const shapes = [shape_attributes, region_attributes].map((value) => JSON.stringify(value));
      yield csvLine([...start, all.length, at, ...shapes]);
    }
  }
}

const csvLine = (values: readonly (string | number)[]) =>
  `${values.map((value) => (typeof value === "number" ? value : `"${value.replaceAll('"', '""')}"`)).join(",")}\n`;

const pictureName = ({ facts }: ExportSource, { frameIndex }: ExportFrame) =>
  `${facts.name}_${frameName(frameIndex)}.jpg`;

function* regions({ objects }: ExportSource, { masks }: ExportFrame, tolerancePx: number) {
  const known = new Map(objects.map((object) => [object.objectId, object]));
  for (const { objectId, mask } of masks) {
    const ring = outlineOf(mask, tolerancePx) ?? [];
    const { category = "object", name = "" } = known.get(objectId) ?? {};
    yield {
      shape_attributes: {
        name: "polygon",
        all_points_x: ring.filter((_, at) => at % 2 === 0),
        all_points_y: ring.filter((_, at) => at % 2 === 1),
      },
      region_attributes: { category, object_id: String(objectId), name },
    };
  }
}
