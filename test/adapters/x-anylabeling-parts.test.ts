/** The parts of the adapter for X-AnyLabeling that need no server. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeMask, rleOfPolygons } from "../../protocol/index.js";
import { readPictures } from "../../server/adapters/x-anylabeling/data-urls.js";
import { phrasesOf } from "../../server/adapters/x-anylabeling/phrases.js";
import { shapesOf } from "../../server/adapters/x-anylabeling/shapes.js";
import { isContinuation, planPropagations } from "../../server/adapters/x-anylabeling/video.js";
import { maskIou } from "../../server/exports/mask-sets.js";

/** Reads a text in chunks of the given sizes, repeated. */
async function read(text: string, sizes: readonly number[]) {
  const bytes = Buffer.from(text);
  async function* chunks() {
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const size = sizes[turn % sizes.length] as number;
      yield bytes.subarray(at, at + size);
      at += size;
    }
  }
  const pictures: Buffer[][] = [];
  const parts = readPictures(chunks(), (index) => `frames[${index}]`);
  for (let next = await parts.next(); ; next = await parts.next()) {
    if (next.done) return { value: next.value, pictures: pictures.map((picture) => Buffer.concat(picture)) };
    if (next.value.kind === "begin") pictures.push([]);
    if (next.value.kind === "bytes") pictures.at(-1)?.push(Buffer.from(next.value.bytes));
  }
}

const urlOf = (bytes: Uint8Array) => `data:image/jpeg;base64,${Buffer.from(bytes).toString("base64")}`;

describe("a body with pictures", () => {
  test("is read the same in chunks of any size", async () => {
    const cases = fc.record({
      pictures: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }),
      other: fc.dictionary(fc.string({ maxLength: 8 }), fc.oneof(fc.string(), fc.integer())),
      sizes: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 }),
      isEscaped: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ pictures, other, sizes, isEscaped }) => {
        const json = JSON.stringify({ other, frames: pictures.map(urlOf), last: 'a "quoted" \\ text' });
        // Other strings that begin like a data URL are refused, see below.
        fc.pre(
          !Object.entries(other)
            .flat()
            .some((text) => String(text).startsWith("data:")),
        );
        const { value, pictures: seen } = await read(isEscaped ? json.replaceAll("/", "\\/") : json, sizes);
        expect(value).toEqual({
          ...JSON.parse(json),
          frames: pictures.map((_, index) => `data:${index}`),
        });
        expect(seen.map((bytes) => [...bytes])).toEqual(pictures.map((bytes) => [...bytes]));
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    ["escapes", `["${"\\\\n".repeat(2 ** 20)}"]`],
    ["short strings", `[${'"",'.repeat(2 ** 20)}0]`],
  ])("of millions of %s takes little more memory than its bytes", async (_name, text) => {
    const usedBytes = () => process.memoryUsage().heapUsed + process.memoryUsage().external;
    const bytes = Buffer.from(text);
    const before = usedBytes();
    let mostBytes = 0;
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += 65_536) {
        yield bytes.subarray(at, at + 65_536);
        mostBytes = Math.max(mostBytes, usedBytes() - before);
      }
    }
    expect((await readPictures(chunks(), String).next()).value).toEqual(JSON.parse(text));
    expect(mostBytes).toBeLessThan(100e6);
  });

  test.each([
    ['{"a":"data:image/png,x"}', /expected a base64 data URL, got "data:image\/png,"/],
    ['{"a":"data:x"}', /expected a base64 data URL/],
    [`{"a":"data:${"x".repeat(300)}`, /expected a base64 data URL/],
    ['{"a":"data:image/png;base64,AAAA"', /expected JSON/],
    ["", /expected JSON/],
    [" ".repeat(17 * 1024 ** 2), /more than 16777216 bytes besides its pictures/],
  ])("%.40s is refused", async (text, message) => {
    await expect(read(text, [1 << 20])).rejects.toThrow(message);
  });
});

test.each([
  ["red circle", ["red circle"]],
  [" red circle. ", ["red circle"]],
  ["cat, dog,cat,", ["cat", "dog"]],
  ["cat. dog", ["cat", "dog"]],
  ["U.S. flag, dog.", ["U.S. flag", "dog"]],
])("the phrases of %j", (text, phrases) => {
  expect(phrasesOf(text)).toEqual(phrases);
});

test("clicks continue earlier ones when one list begins with the other", () => {
  const [a, b, c] = [
    [0.1, 0.2],
    [0.3, 0.4],
    [0.5, 0.6],
  ] as const;
  expect(isContinuation([a], [a, b])).toBe(true);
  expect(isContinuation([a, b], [a])).toBe(true);
  expect(isContinuation([a, b], [a, c])).toBe(false);
  expect(isContinuation([a], [b])).toBe(false);
});

describe("the propagations of a stretch", () => {
  test("start at the nearest prompt and cover every frame of it", () => {
    const cases = fc.record({
      first: fc.integer({ min: 0, max: 20 }),
      length: fc.integer({ min: 0, max: 20 }),
      prompted: fc.uniqueArray(fc.integer({ min: 0, max: 45 }), { minLength: 1, maxLength: 4 }),
    });
    fc.assert(
      fc.property(cases, ({ first, length, prompted }) => {
        const stretch = { first, last: first + length };
        const computed = new Set<number>();
        for (const { start, direction, length: reach } of planPropagations(stretch, new Set(prompted))) {
          expect(prompted).toContain(start);
          const skipped = direction === "backward" ? 1 : 0;
          for (let step = skipped; step <= reach; step++)
            computed.add(direction === "forward" ? start + step : start - step);
        }
        for (let frame = first; frame <= stretch.last; frame++) expect(computed).toContain(frame);
      }),
    );
  });

  test("go both ways from a prompt inside", () => {
    expect(planPropagations({ first: 2, last: 9 }, new Set([5]))).toEqual([
      { start: 5, direction: "forward", length: 4 },
      { start: 5, direction: "backward", length: 3 },
    ]);
  });
});

describe("shapes", () => {
  const SIZE: [number, number] = [120, 160];
  const maskOf = (isInside: (x: number, y: number) => boolean) => {
    const bits = new Uint8Array(SIZE[0] * SIZE[1]);
    bits.forEach((_, at) => {
      bits[at] = isInside(at % SIZE[1], Math.floor(at / SIZE[1])) ? 1 : 0;
    });
    return encodeMask(bits, SIZE[1], SIZE[0]);
  };
  const circle = maskOf((x, y) => Math.hypot(x - 60, y - 60) < 40);
  const shapes = (mask: typeof circle, epsilon: number) =>
    shapesOf({ label: "a", score: 0.98765, mask, groupId: 3 }, epsilon);
  const ringsOf = (seen: ReturnType<typeof shapes>) => seen.map(({ points }) => points.flat());

  test("are exact without simplification, and closed", () => {
    const seen = shapes(circle, 0);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ label: "a", score: 0.99, group_id: 3, shape_type: "polygon" });
    expect(seen[0]?.points.at(-1)).toEqual(seen[0]?.points[0]);
    expect(rleOfPolygons(ringsOf(seen), SIZE)).toEqual(circle);
  });

  test("have fewer corners and stay close with a larger epsilon", () => {
    const counts = [0, 0.001, 0.005, 0.02].map((epsilon) => {
      const seen = shapes(circle, epsilon);
      expect(maskIou(rleOfPolygons(ringsOf(seen), SIZE), circle)).toBeGreaterThan(0.9);
      return seen[0]?.points.length ?? 0;
    });
    expect(counts).toEqual([...counts].sort((a, b) => b - a));
    expect(counts.at(-1)).toBeLessThan(20);
  });

  test("of an object in pieces are several, without specks; a hole stays a hole", () => {
    const pieces = maskOf((x, y) => (x < 40 && y < 40) || (x > 100 && y > 80) || (x === 70 && y === 70));
    expect(shapes(pieces, 0)).toHaveLength(2);
    const ring = maskOf((x, y) => {
      const distance = Math.hypot(x - 60, y - 60);
      return distance < 40 && distance > 20;
    });
    expect(rleOfPolygons(ringsOf(shapes(ring, 0)), SIZE)).toEqual(ring);
  });
});
