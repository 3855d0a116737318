import { expect, test } from "vitest";
import { startPicture } from "../../../server/pictures/picture-process.js";

test("a process that takes more memory than its work may take ends itself", async () => {
  const ends: string[] = [];
  const process = startPicture({
    silenceMs: 60_000,
    onEnd: (cause, reason) => ends.push(`${cause}: ${reason}`),
  });
  const from = { width: 12_000, height: 12_000 };
  const part = new Uint8Array(3 * from.width).fill(1);
  const source = {
    byteLength: part.length * from.height,
    *parts() {
      for (let row = 0; row < from.height; row++) yield part;
    },
  };
  const rules = { admitted: { bytes: 0, pixels: 0 }, maxPixels: 1, maxSidePx: 1, maxMaskEdges: 0 };
  const work = { kind: "resize", from, size: { width: 8, height: 8 } } as const;
  await expect(process.run(work, source, rules)).rejects.toMatchObject({
    name: "PictureProcessEnded",
    cause: "memory",
  });
  expect(process.isEnded).toBe(true);
  expect(ends).toEqual([expect.stringMatching(/^memory: \d+ bytes more than its work may take$/)]);
});
