/** Sources of exports for tests. */
import { buffer } from "node:stream/consumers";
import { type CocoRle, encodeMask, maskArea } from "../../protocol/index.js";
import { readExportFile } from "../../server/exports/encode.js";
import { planExport } from "../../server/exports/plan.js";
import type { ExportFrame, ExportObject, ExportSource } from "../../server/exports/source.js";

/** A mask of the pixels for which `inside` holds. */
export function maskWhere(width: number, height: number, inside: (x: number, y: number) => boolean): CocoRle {
  const data = Uint8Array.from({ length: width * height }, (_, at) =>
    inside(at % width, Math.floor(at / width)) ? 1 : 0,
  );
  return encodeMask(data, width, height);
}

export interface SourceOptions {
  width: number;
  height: number;
  objects?: ExportObject[];
  /** For each frame the masks by object id. */
  frames: { frameIndex: number; timestampUs?: number | null; masks: ReadonlyMap<number, CocoRle> }[];
  numFrames?: number;
  pictures?: ExportSource["pictures"];
}

export function sourceOf({ width, height, frames, pictures, ...rest }: SourceOptions): ExportSource {
  const ids = [...new Set(frames.flatMap(({ masks }) => [...masks.keys()]))].sort((a, b) => a - b);
  const objects =
    rest.objects ?? ids.map((objectId) => ({ objectId, name: `object ${objectId}`, category: "object" }));
  const all = frames.map(
    ({ frameIndex, masks, timestampUs }): ExportFrame => ({
      frameIndex,
      timestampUs: timestampUs === undefined ? frameIndex * 40_000 : timestampUs,
      masks: [...masks]
        .filter(([, mask]) => maskArea(mask) > 0)
        .sort(([a], [b]) => a - b)
        .map(([objectId, mask]) => ({ objectId, score: 0.75, mask })),
      occludedIds: [],
    }),
  );
  const numFrames = rest.numFrames ?? (all.at(-1)?.frameIndex ?? 0) + 1;
  return {
    facts: { name: "clip", fileName: "clip.mp4", width, height, numFrames, fps: 25 },
    objects,
    async *frames() {
      yield* all;
    },
    ...(pictures && { pictures }),
  };
}

const inEllipse = (x: number, y: number, [cx, cy, rx, ry]: readonly [number, number, number, number]) =>
  ((x + 0.5 - cx) / rx) ** 2 + ((y + 0.5 - cy) / ry) ** 2 < 1;

/**
 * Eight frames of 640×480: a dog with a hole that moves; a car of two pieces that is away on frames 3 and 4 and overlaps the dog; a
 * second dog from frame 5 on. Frame 7 has no mask.
 */
export function scene(): ExportSource {
  const [width, height] = [640, 480];
  const frames = Array.from({ length: 8 }, (_, frameIndex) => {
    const masks = new Map<number, CocoRle>();
    const x = 200 + 12 * frameIndex;
    if (frameIndex < 7) {
      masks.set(
        0,
        maskWhere(
          width,
          height,
          (px, py) => inEllipse(px, py, [x, 200, 150, 120]) && !inEllipse(px, py, [x, 180, 40, 30]),
        ),
      );
    }
    if (frameIndex < 7 && frameIndex !== 3 && frameIndex !== 4) {
      masks.set(
        2,
        maskWhere(
          width,
          height,
          (px, py) =>
            inEllipse(px, py, [x + 60, 330, 110, 90]) || (px >= 560 && py >= 20 && px < 640 && py < 140),
        ),
      );
    }
    if (frameIndex === 5 || frameIndex === 6) {
      masks.set(
        5,
        maskWhere(width, height, (px, py) => px < 120 && py >= 300 && px + py < 500),
      );
    }
    return { frameIndex, masks };
  });
  const objects = [
    { objectId: 0, name: "Rex", category: "dog" },
    { objectId: 2, name: "car 2", category: "car" },
    { objectId: 5, name: 'the "small" one & <other>', category: "dog" },
  ];
  return sourceOf({ width, height, frames, objects, numFrames: 8 });
}

/** The files of an export by path. */
export async function exportAll(
  source: ExportSource,
  formatId: string,
  query: Record<string, string> = {},
): Promise<Map<string, Buffer>> {
  const { format, options } = planExport(formatId, query);
  const files = new Map<string, Buffer>();
  for await (const file of format.files(source, options)) {
    files.set(file.path, await buffer(readExportFile(file)));
  }
  return files;
}
