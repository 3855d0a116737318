/** What an export writes, the import of the same format reads: mask by mask. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CocoRle, decodeMask, encodeMask, maskBox, rleOfPolygons } from "../../protocol/index.js";
import { decodeBrush, encodeBrush } from "../../server/exports/brush.js";
import { cropMask, placeMask } from "../../server/exports/crop.js";
import { maskIou, subtractMask, withoutOverlaps } from "../../server/exports/mask-sets.js";
import { outlineOf, piecesOf } from "../../server/exports/outlines.js";
import type { ExportSource } from "../../server/exports/source.js";
import { type Annotation, type Item, isFileVideo, isSkipped } from "../../server/imports/annotation.js";
import { unionOfPolygons } from "../../server/imports/formats/coco.js";
import { IMPORT_FORMATS } from "../../server/imports/formats.js";
import { anyMasks, iou, noise, shapes } from "../helpers/masks.js";
import { exportAll, scene, sourceOf } from "./sources.js";

type Key = `${number} ${number}`;

async function read(source: ExportSource, format: string, query: Record<string, string>): Promise<Item[]> {
  const files = await exportAll(source, format, query);
  const reader = IMPORT_FORMATS.find(({ id }) => id === format);
  return [...(reader?.read(files, source.facts) ?? [])];
}

/** The masks of a source by frame and object. */
async function masksOf(source: ExportSource, isExclusive = false): Promise<Map<Key, CocoRle>> {
  const masks = new Map<Key, CocoRle>();
  for await (const frame of source.frames()) {
    for (const { objectId, mask } of isExclusive ? withoutOverlaps(frame.masks) : frame.masks) {
      masks.set(`${frame.frameIndex} ${objectId}`, mask);
    }
  }
  return masks;
}

const annotations = (items: readonly Item[]) =>
  items.filter((item): item is Annotation => !isSkipped(item) && !isFileVideo(item));

describe("round trips of a scene with holes, pieces, overlaps and absences", () => {
  test.each([
    ["coco", {}, 1, false],
    ["coco", { masks: "polygons" }, 0.98, false],
    ["coco", { masks: "polygons", polygon_tolerance_px: "0" }, 1, false],
    ["youtube-vis", {}, 1, false],
    ["youtube-vis", { counts: "uncompressed" }, 1, false],
    ["mots", {}, 1, true],
    ["davis", {}, 1, true],
    ["cvat", {}, 1, false],
    ["cvat", { masks: "polygons" }, 0.98, false],
    ["label-studio", { form: "brush" }, 1, false],
    ["labelme", {}, 0.98, false],
    ["labelme", { masks: "masks" }, 1, false],
    ["sa-v", {}, 1, false],
    ["via", {}, 0.98, false],
    ["via", { file: "csv" }, 0.98, false],
    ["via", { file: "csv", polygon_tolerance_px: "0" }, 1, false],
    ["via", { polygon_tolerance_px: "0" }, 1, false],
    ["mask-png", {}, 1, false],
  ] as const)("%s %j", async (format, query, least, isExclusive) => {
    const source = scene();
    const expected = await masksOf(source, isExclusive);
    const items = annotations(await read(source, format, query));
    const seen = new Map(items.map(({ frameIndex, objectId, mask }) => [`${frameIndex} ${objectId}`, mask]));
    expect([...seen.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [key, mask] of expected) {
      if (least === 1) expect(seen.get(key), key).toEqual(mask);
      else expect(maskIou(seen.get(key) as CocoRle, mask), key).toBeGreaterThanOrEqual(least);
    }
  });

  test("YOLO segmentation, which has no identities", async () => {
    const source = scene();
    const items = annotations(await read(source, "yolo-seg", {}));
    const expected = await masksOf(source);
    expect(items).toHaveLength(expected.size);
    for (const [at, [key, mask]] of [...expected].entries()) {
      expect(`${items[at]?.frameIndex}`).toBe(key.split(" ")[0]);
      expect(maskIou(items[at]?.mask as CocoRle, mask), key).toBeGreaterThanOrEqual(0.98);
    }
    expect(items[0]?.category).toBe("dog");
  });

  test.each([
    ["mot", {}, 6],
    ["label-studio", { form: "boxes" }, 6],
    // Six decimals of the width.
    ["yolo-track", {}, 2],
  ] as const)("%s %j keeps the boxes", async (format, query, digits) => {
    const source = scene();
    const items = annotations(await read(source, format, query));
    const expected = [...(await masksOf(source))].map(([key, mask]) => [key, maskBox(mask)] as const);
    expect(items).toHaveLength(expected.length);
    const seen = new Map(items.map(({ frameIndex, objectId, box }) => [`${frameIndex} ${objectId}`, box]));
    for (const [key, box] of expected) {
      seen.get(key)?.forEach((value, at) => void expect(value, key).toBeCloseTo(box[at] as number, digits));
      expect(seen.get(key)).toHaveLength(4);
    }
  });
});

test("any masks survive COCO, YouTube-VIS, CVAT, SA-V, brush, labelme masks, exact VIA and PNGs", async () => {
  const property = fc.asyncProperty(
    fc.array(anyMasks, { minLength: 1, maxLength: 3 }),
    fc.constantFrom(
      ["coco", {}] as const,
      ["youtube-vis", {}] as const,
      ["youtube-vis", { counts: "uncompressed" }] as const,
      ["cvat", {}] as const,
      ["label-studio", { form: "brush" }] as const,
      ["labelme", { masks: "masks" }] as const,
      ["sa-v", {}] as const,
      ["via", { polygon_tolerance_px: "0" }] as const,
      ["via", { file: "csv", polygon_tolerance_px: "0" }] as const,
      ["mask-png", {}] as const,
    ),
    async (masks, [format, query]) => {
      const [first] = masks as [(typeof masks)[number]];
      const rle = encodeMask(first.data, first.width, first.height);
      const source = sourceOf({
        ...{ width: first.width, height: first.height },
        frames: [{ frameIndex: 4, masks: new Map([[7, rle]]) }],
      });
      const expected = await masksOf(source);
      // A file without any annotation is not a file of tracks for CVAT.
      if (expected.size === 0) return;
      const items = annotations(await read(source, format, query));
      expect(items.map(({ frameIndex, objectId, mask }) => [frameIndex, objectId, mask])).toEqual([
        [4, 7, rle],
      ]);
    },
  );
  await fc.assert(property, { numRuns: 150 });
});

test("exact outlines of one ring are the mask, by the even-odd rule", () => {
  fc.assert(
    fc.property(fc.oneof(shapes(1, 40), noise), ({ width, height, data }) => {
      const rle = encodeMask(data, width, height);
      const ring = outlineOf(rle, 0);
      expect(rleOfPolygons(ring ? [ring] : [], [height, width])).toEqual(rle);
    }),
    { numRuns: 300 },
  );
});

test("exact pieces, each filled by itself, are the mask", () => {
  fc.assert(
    fc.property(fc.oneof(shapes(1, 40), noise), ({ width, height, data }) => {
      const rle = encodeMask(data, width, height);
      const pieces = piecesOf(rle, 0);
      const empty = encodeMask(new Uint8Array(data.length), width, height);
      expect(unionOfPolygons(pieces, { width, height }) ?? empty).toEqual(rle);
    }),
    { numRuns: 300 },
  );
});

test("simplified outlines keep an IoU of 0.98", () => {
  fc.assert(
    fc.property(shapes(20, 60), fc.constantFrom(0.5, 1, 3), ({ width, height, data }, tolerancePx) => {
      const rle = encodeMask(data, width, height);
      const ring = outlineOf(rle, tolerancePx);
      if (ring) expect(maskIou(rleOfPolygons([ring], [height, width]), rle)).toBeGreaterThanOrEqual(0.98);
    }),
    { numRuns: 200 },
  );
});

test("set operations agree with the pixels", () => {
  const pair = fc
    .record({ width: fc.integer({ min: 1, max: 12 }), height: fc.integer({ min: 1, max: 12 }) })
    .chain(({ width, height }) => {
      const bits = fc.array(fc.constantFrom(0, 1), { minLength: width * height, maxLength: width * height });
      return fc
        .tuple(bits, bits)
        .map((both) => both.map((data) => ({ width, height, data: Uint8Array.from(data) })));
    });
  fc.assert(
    fc.property(pair, (both) => {
      const [a, b] = both as [(typeof both)[number], (typeof both)[number]];
      const [first, second] = both.map(({ data, width, height }) => encodeMask(data, width, height)) as [
        CocoRle,
        CocoRle,
      ];
      expect(maskIou(first, second)).toBeCloseTo(iou(a, b));
      const rest = a.data.map((value, at) => (value && !b.data[at] ? 1 : 0));
      expect(decodeMask(subtractMask(first, second)).data).toEqual(rest);
    }),
  );
});

test("brush masks and cropped masks come back", () => {
  fc.assert(
    fc.property(anyMasks, ({ width, height, data }) => {
      const rle = encodeMask(data, width, height);
      expect(decodeBrush(encodeBrush(rle), width, height)).toEqual(rle);
      const box = maskBox(rle);
      if (box[2] > 0) expect(placeMask(cropMask(rle, box), [box[0], box[1]], [height, width])).toEqual(rle);
    }),
  );
});
