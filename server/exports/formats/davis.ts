/** DAVIS: palette PNGs whose values are the objects, 0 for background (https://davischallenge.org/davis2017/code.html). */
import { z } from "zod";
import { ProtocolError, turnsOf } from "../../../protocol/index.js";
import { encodePng } from "../../png.js";
import { defineFormat, type ExportFile, textFile } from "../format.js";
import { type ExportMask, type ExportSource, frameName } from "../source.js";

const MAX_OBJECTS = 255;

export const davis = defineFormat({
  id: "davis",
  title: "DAVIS (palette PNG)",
  media: "pictures",
  packing: "zip",
  needsPictures: false,
  options: z.strictObject({}),
  async *files(source): AsyncGenerator<ExportFile> {
    const { name, width, height } = source.facts;
    const values = valuesOf(source);
    yield textFile("objects.json", () => [`${JSON.stringify(describe(source), null, 1)}\n`]);
    for await (const { frameIndex, masks } of source.frames()) {
      yield {
        path: `Annotations/${name}/${frameName(frameIndex)}.png`,
        async *content() {
          const labels = paint(masks, values, width, height);
          yield await encodePng(labels, {
            ...{ width, height, bitDepth: 8, rowBytes: width },
            colours: "palette",
            palette: PALETTE,
          });
        },
      };
    }
  },
});

/** The value of each object: its position from 1. */
function valuesOf({ objects }: ExportSource): Map<number, number> {
  if (objects.length > MAX_OBJECTS) {
    const message = `objects: expected at most ${MAX_OBJECTS} for davis, got ${objects.length}; select some`;
    throw new ProtocolError("invalid_field", message, "objects");
  }
  return new Map(objects.map(({ objectId }, at) => [objectId, at + 1]));
}

function describe({ objects }: ExportSource) {
  return objects.map(({ objectId, name, category }, at) => ({
    value: at + 1,
    object_id: objectId,
    name,
    category,
  }));
}

/** `[height, width]` row by row. Where masks overlap, the later one covers the earlier one. */
function paint(
  masks: readonly ExportMask[],
  values: ReadonlyMap<number, number>,
  width: number,
  height: number,
): Uint8Array {
  const labels = new Uint8Array(width * height);
  for (const { objectId, mask } of masks) {
    const value = values.get(objectId) ?? 0;
    const turns = turnsOf(mask);
    for (let index = 0; index < turns.length; index += 2) {
      const end = turns[index + 1] as number;
      for (let at = turns[index] as number; at < end; at++) {
        labels[(at % height) * width + Math.floor(at / height)] = value;
      }
    }
  }
  return labels;
}

/** The colours of PASCAL VOC and DAVIS: bit by bit, the lowest bits of the value become the highest ones of the channels. */
const PALETTE = Uint8Array.from({ length: 3 * 256 }, (_, at) => {
  const channel = at % 3;
  let colour = 0;
  for (let value = Math.floor(at / 3), bit = 7; value > 0; value >>= 3, bit--) {
    colour |= ((value >> channel) & 1) << bit;
  }
  return colour;
});
