/** CVAT for video 1.1 (https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/): tracks of masks or polygons in XML. */
import { z } from "zod";
import type { CocoRle } from "../../../protocol/index.js";
import { defineFormat, textFile } from "../format.js";
import { polygonTolerance } from "../options.js";
import { outlineOf } from "../outlines.js";
import { rowRunsOf } from "../row-runs.js";
import { categoriesOf, type ExportObject, type ExportSource } from "../source.js";

const options = z.strictObject({
  masks: z.enum(["masks", "polygons"]).default("masks").describe("Form of the masks; polygons simplify them"),
  polygon_tolerance_px: polygonTolerance,
});

type Options = z.output<typeof options>;

export const cvat = defineFormat({
  id: "cvat",
  title: "CVAT for video 1.1",
  media: "text",
  packing: "file",
  needsPictures: false,
  options,
  async *files(source, given) {
    yield textFile(`${source.facts.name}.cvat.xml`, () => write(source, given));
  },
});

async function* write(source: ExportSource, given: Options): AsyncGenerator<string> {
  const { facts, objects } = source;
  const type = given.masks === "masks" ? "mask" : "polygon";
  yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n';
  yield `      <name>${escapeXml(facts.name)}</name>\n      <size>${facts.numFrames}</size>\n`;
  yield `      <mode>interpolation</mode>\n      <start_frame>0</start_frame>\n`;
  yield `      <stop_frame>${facts.numFrames - 1}</stop_frame>\n      <labels>\n`;
  for (const label of categoriesOf(objects).keys()) {
    yield `        <label><name>${escapeXml(label)}</name><type>${type}</type><attributes></attributes></label>\n`;
  }
  yield `      </labels>\n      <original_size><width>${facts.width}</width><height>${facts.height}</height></original_size>\n`;
  yield `      <source>${escapeXml(facts.fileName)}</source>\n    </task>\n  </meta>\n`;
  for (const object of objects) yield* track(source, object, given);
  yield "</annotations>\n";
}

/** The track ends with a shape that is `outside` on the first frame without the object, and so does each stretch of it. */
async function* track(
  { facts, frames }: ExportSource,
  { objectId, category }: ExportObject,
  { masks: form, polygon_tolerance_px: tolerancePx }: Options,
): AsyncGenerator<string> {
  let last: { frame: number; mask: CocoRle } | undefined;
  let isOpen = false;
  const shape = (frame: number, mask: CocoRle, flags: { outside: 0 | 1; occluded: 0 | 1 }) => {
    const common = `frame="${frame}" keyframe="1" outside="${flags.outside}" occluded="${flags.occluded}"`;
    const body = form === "masks" ? maskAttributes(mask) : polygonAttributes(mask, tolerancePx);
    const name = form === "masks" ? "mask" : "polygon";
    return `    <${name} ${common} ${body} z_order="0">\n    </${name}>\n`;
  };
  for await (const { frameIndex, masks, occludedIds } of frames()) {
    const own = masks.find((one) => one.objectId === objectId);
    if (last && (!own || frameIndex > last.frame + 1)) {
      const isOccluded = !own && frameIndex === last.frame + 1 && occludedIds.includes(objectId);
      yield shape(last.frame + 1, last.mask, { outside: 1, occluded: isOccluded ? 1 : 0 });
      last = undefined;
    }
    if (!own) continue;
    if (!isOpen) yield `  <track id="${objectId}" label="${escapeXml(category)}" source="auto">\n`;
    isOpen = true;
    yield shape(frameIndex, own.mask, { outside: 0, occluded: 0 });
    last = { frame: frameIndex, mask: own.mask };
  }
  if (last && last.frame + 1 < facts.numFrames) {
    yield shape(last.frame + 1, last.mask, { outside: 1, occluded: 0 });
  }
  if (isOpen) yield "  </track>\n";
}

function maskAttributes(mask: CocoRle): string {
  const { runs, box } = rowRunsOf(mask);
  const [left, top, width, height] = box;
  return `rle="${runs.join(", ")}" left="${left}" top="${top}" width="${width}" height="${height}"`;
}

function polygonAttributes(mask: CocoRle, tolerancePx: number): string {
  const ring = outlineOf(mask, tolerancePx) ?? [];
  const points: string[] = [];
  for (let at = 0; at < ring.length; at += 2) {
    points.push(`${(ring[at] as number).toFixed(2)},${(ring[at + 1] as number).toFixed(2)}`);
  }
  return `points="${points.join(";")}"`;
}

export function escapeXml(text: string): string {
  const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => escapes[character] as string);
}
