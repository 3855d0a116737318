/**
 * MOTS txt: `frame id class_id height width rle` on each line (https://www.vision.rwth-aachen.de/page/mots). Masks do not
 * overlap.
 */
import { z } from "zod";
import { defineFormat, textFile } from "../format.js";
import { withoutOverlaps } from "../mask-sets.js";
import { firstFrame } from "../options.js";
import { categoriesOf, type ExportObject, type ExportSource } from "../source.js";

/** The classes of KITTI MOTS and MOTSChallenge. 10 is the region to ignore. */
const KNOWN_CLASSES: ReadonlyMap<string, number> = new Map([
  ["car", 1],
  ["pedestrian", 2],
  ["person", 2],
]);
const IGNORED_CLASS = 10;

/** An id is the class times this number plus the number of the instance. */
export const INSTANCES_PER_CLASS = 1000;

const options = z.strictObject({ first_frame: firstFrame(1) });

export const mots = defineFormat({
  id: "mots",
  title: "MOTS",
  media: "text",
  packing: "zip",
  needsPictures: false,
  options,
  async *files(source, { first_frame }) {
    const classes = motsClasses(source.objects);
    yield textFile(`${source.facts.name}.txt`, () => lines(source, classes, first_frame));
    yield textFile("classes.txt", () => [...classes].map(([name, id]) => `${id} ${name}\n`));
  },
});

/** The class number of each category. */
export function motsClasses(objects: readonly ExportObject[]): Map<string, number> {
  let next = 3;
  const classes = new Map<string, number>();
  for (const category of categoriesOf(objects).keys()) {
    if (next === IGNORED_CLASS) next++;
    classes.set(category, KNOWN_CLASSES.get(category.toLowerCase()) ?? next++);
  }
  return classes;
}

async function* lines(
  { facts, objects, frames }: ExportSource,
  classes: ReadonlyMap<string, number>,
  firstFrameNumber: number,
): AsyncGenerator<string> {
  const { width, height } = facts;
  const instances = motsInstances(objects);
  const classOf = new Map(objects.map(({ objectId, category }) => [objectId, classes.get(category) ?? 0]));
  for await (const { frameIndex, masks } of frames()) {
    for (const { objectId, mask } of withoutOverlaps(masks)) {
      const classId = classOf.get(objectId) ?? 0;
      const id = classId * INSTANCES_PER_CLASS + (instances.get(objectId) ?? 0);
      yield `${frameIndex + firstFrameNumber} ${id} ${classId} ${height} ${width} ${mask.counts}\n`;
    }
  }
}

/** The ids of the objects; the positions in the list of objects when an id does not fit. */
function motsInstances(objects: readonly ExportObject[]): Map<number, number> {
  const fits = objects.every(({ objectId }) => objectId < INSTANCES_PER_CLASS);
  return new Map(objects.map(({ objectId }, at) => [objectId, fits ? objectId : at]));
}
