import { copyFile, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { naturalOrder } from "../../../server/media/natural-order.js";
import type { FrameRange } from "../../../server/media/source.js";
import {
  makeBmp,
  makeClip,
  makeFrameFolder,
  makeStill,
  mediaPath,
  openInTest,
  paintFrame,
  readCorners,
  readFrameNumber,
} from "../../helpers/media.js";

const size = { width: 96, height: 64 };
const forward: FrameRange = { startFrame: 0, count: 9999, direction: "forward", ...size };

async function numbers(path: string, range: Partial<FrameRange> = {}): Promise<number[]> {
  const media = await openInTest(path);
  const seen: number[] = [];
  for await (const { rgb, index, timestampUs } of media.frames({ ...forward, ...range })) {
    expect(timestampUs).toBeNull();
    seen.push(index, readFrameNumber(rgb, size.width, size.height));
  }
  return seen.filter((_, i) => i % 2 === 1);
}

describe("a folder of pictures", () => {
  it("is a video in natural order, without frame rate and times", async () => {
    const folder = await makeFrameFolder("natural", 12);
    const media = await openInTest(folder);
    expect(media.facts).toEqual({
      ...{
        kind: "frames",
        ...size,
        numFrames: 12,
        fps: null,
        startTimeUs: null,
        durationS: null,
        codec: "jpeg",
        rotationDeg: 0,
        leftOut: { count: 0, files: [] },
      },
    });
    expect(await numbers(folder)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(await numbers(folder, { startFrame: 10, count: 3, direction: "backward" })).toEqual([10, 9, 8]);
    expect(await numbers(folder, { startFrame: 9, count: 2 })).toEqual([9, 10]);
    expect(readFrameNumber((await media.frame(11, size)).rgb, 96, 64)).toBe(11);
    expect(media.timeOf(11)).toBeNull();
    expect(() => media.timeOf(12)).toThrow(expect.objectContaining({ code: "frame_out_of_range" }));
    await expect(media.frame(12, size)).rejects.toMatchObject({ code: "frame_out_of_range" });
  });

  it("takes pictures by their content, whatever their names, and lists what it leaves out", async () => {
    const still = (number: number) => sharp(paintFrame(number, 96, 64), { raw: { ...size, channels: 3 } });
    await mkdir(mediaPath("mixed/5.jpg"), { recursive: true });
    const pictures = {
      "Frame_10.JFIF": await still(10).jpeg({ quality: 95 }).toBuffer(),
      "frame_2.PNG": await still(2).png().toBuffer(),
      "frame_7.webp": await still(7).webp({ lossless: true }).toBuffer(),
      "frame_11.jpe": await still(11).jpeg({ quality: 95 }).toBuffer(),
      "frame_12.tif": await still(12).tiff().toBuffer(),
      "FRAME_13.gif": await still(13).gif().toBuffer(),
      "frame_14.mp4": await still(14).png().toBuffer(),
      frame_15: await still(15).jpeg({ quality: 95 }).toBuffer(),
      "frame_16.BMP": await readFile(await makeBmp("source.bmp", 16)),
    };
    for (const [name, bytes] of Object.entries(pictures)) await writeFile(mediaPath(`mixed/${name}`), bytes);
    await writeFile(mediaPath("mixed/.hidden.jpg"), pictures.frame_15);
    await writeFile(mediaPath("mixed/notes.txt"), "nothing");
    await writeFile(mediaPath("mixed/photo.jpg"), await still(17).avif().toBuffer());
    await writeFile(mediaPath("mixed/page.jpg"), "<html>404</html>");
    await writeFile(mediaPath("mixed/clip.jpg"), await readFile(await makeClip({ name: "in-folder.mp4" })));
    await writeFile(mediaPath("mixed/empty"), "");
    const { facts } = await openInTest(mediaPath("mixed"));
    expect(facts).toMatchObject({ kind: "frames", codec: "png", numFrames: 9 });
    expect(facts.kind === "frames" && facts.leftOut).toEqual({
      count: 7,
      files: [
        { name: ".hidden.jpg", reason: "a hidden file" },
        { name: "5.jpg", reason: "a folder" },
        { name: "clip.jpg", reason: "a video" },
        { name: "empty", reason: "an empty file" },
        { name: "notes.txt", reason: "text" },
        { name: "page.jpg", reason: "text" },
        { name: "photo.jpg", reason: "an AVIF picture" },
      ],
    });
    expect(await numbers(mediaPath("mixed"))).toEqual([2, 7, 10, 11, 12, 13, 14, 15, 16]);
  });

  it("lists the first hundred of the files that it leaves out, and counts all", async () => {
    await makeFrameFolder("many-others", 1);
    for (let i = 0; i < 120; i++) await writeFile(mediaPath(`many-others/${i}.txt`), "text");
    const { facts } = await openInTest(mediaPath("many-others"));
    if (facts.kind !== "frames") throw new Error(facts.kind);
    expect(facts.leftOut.count).toBe(120);
    expect(facts.leftOut.files).toHaveLength(100);
    expect(facts.leftOut.files.at(-1)?.name).toBe("99.txt");
  });

  it("must have pictures of one size; the error names the one that differs", async () => {
    await makeFrameFolder("sizes", 3);
    await makeStill("sizes/2.jpg", 2, 90, 64);
    await expect(openInTest(mediaPath("sizes"))).rejects.toMatchObject({
      code: "media_unsupported",
      message: expect.stringMatching(/2\.jpg is 90×64.*0\.jpg.*96×64/),
    });
  });

  it("without pictures is refused with what it contains", async () => {
    await mkdir(mediaPath("none"), { recursive: true });
    await expect(openInTest(mediaPath("none"))).rejects.toMatchObject({
      code: "media_unsupported",
      message: expect.stringContaining("it contains no files"),
    });
    await writeFile(mediaPath("none/readme.txt"), "no pictures");
    await expect(openInTest(mediaPath("none"))).rejects.toMatchObject({
      code: "media_unsupported",
      message: expect.stringContaining('found "readme.txt" (text)'),
    });
  });

  it("shows the picture before a damaged one in its place, the same in the stream and at random", async () => {
    const folder = await makeFrameFolder("damaged", 8);
    const whole = await sharp(paintFrame(3, 96, 64), { raw: { ...size, channels: 3 } })
      .jpeg({ quality: 100 })
      .toBuffer();
    await writeFile(mediaPath("damaged/0.jpg"), whole.subarray(0, whole.length - 60));
    await writeFile(mediaPath("damaged/3.jpg"), whole.subarray(0, whole.length - 60));
    await writeFile(mediaPath("damaged/4.jpg"), Buffer.from("ffd8ffe000104a46494600", "hex"));
    await writeFile(mediaPath("damaged/5.jpg"), "");
    await writeFile(mediaPath("damaged/7.jpg"), Buffer.alloc(5000));
    const media = await openInTest(folder);
    expect(media.facts).toMatchObject({ numFrames: 8, leftOut: { count: 0 } });
    const seen = [];
    for await (const { index, rgb, damaged } of media.frames(forward)) {
      const random = await media.frame(index, size);
      expect([Buffer.compare(random.rgb, rgb), random.damaged]).toEqual([0, damaged]);
      seen.push([readFrameNumber(rgb, 96, 64), damaged === true]);
    }
    const shown = [
      [1, true],
      [1, false],
      [2, false],
      [2, true],
      [2, true],
      [2, true],
      [6, false],
      [6, true],
    ];
    expect(seen).toEqual(shown);
  });

  it("with only damaged pictures is refused, and with more than thirty in a row fails there", async () => {
    await mkdir(mediaPath("all-damaged"), { recursive: true });
    await writeFile(mediaPath("all-damaged/0.jpg"), "");
    await expect(openInTest(mediaPath("all-damaged"))).rejects.toMatchObject({
      code: "media_unreadable",
      message: expect.stringContaining("0.jpg"),
    });
    await makeFrameFolder("long-damage", 2);
    for (let i = 2; i < 40; i++) await writeFile(mediaPath(`long-damage/${i}.jpg`), "");
    const media = await openInTest(mediaPath("long-damage"));
    expect(readFrameNumber((await media.frame(31, size)).rgb, 96, 64)).toBe(1);
    await expect(media.frame(32, size)).rejects.toMatchObject({
      code: "media_unreadable",
      message: expect.stringContaining("32.jpg"),
    });
  });

  it("follows links within the media roots only", async () => {
    const outside = await makeStill("elsewhere/9.jpg", 9);
    const folder = dirname(await makeStill("linked/0.jpg", 0));
    await makeStill("shared/1.jpg", 1);
    await symlink("../shared/1.jpg", mediaPath("linked/1.jpg"));
    const roots = [folder, mediaPath("shared")];
    const media = await openInTest(folder, { mediaRoots: roots });
    expect(readFrameNumber((await media.frame(1, size)).rgb, 96, 64)).toBe(1);
    await expect(openInTest(folder)).rejects.toMatchObject({ code: "resource_forbidden" });

    await symlink(outside, mediaPath("linked/2.jpg"));
    const leading = await openInTest(folder, { mediaRoots: roots }).catch((error) => error);
    expect(leading).toMatchObject({ code: "resource_forbidden", message: expect.stringContaining("2.jpg") });
    await mkdir(mediaPath("dangling"), { recursive: true });
    await symlink("/no/such/2.jpg", mediaPath("dangling/2.jpg"));
    const dangling = await openInTest(mediaPath("dangling"), {
      mediaRoots: [...roots, mediaPath("dangling")],
    }).catch((error) => error);
    expect(dangling).toMatchObject({ code: leading.code, message: leading.message });
  });

  it("stops when the signal aborts or the source closes", async () => {
    const media = await openInTest(await makeFrameFolder("natural", 12));
    const abort = new AbortController();
    const frames = media.frames({ ...forward, signal: abort.signal });
    await frames.next();
    abort.abort(new Error("cancelled"));
    await expect(frames.next()).rejects.toThrow("cancelled");
    const others = media.frames(forward);
    await others.next();
    await media.close();
    await expect(others.next()).rejects.toThrow("closed");
  });
});

describe("a single picture", () => {
  it("is a video of one frame", async () => {
    const media = await openInTest(await makeStill("single.png", 77));
    expect(media.facts).toMatchObject({ kind: "image", ...size, numFrames: 1, fps: null, codec: "png" });
    const { rgb, index, timestampUs } = await media.frame(0, size);
    expect({ index, timestampUs, number: readFrameNumber(rgb, 96, 64) }).toEqual({
      index: 0,
      timestampUs: null,
      number: 77,
    });
  });

  it("is rotated upright according to its orientation tag", async () => {
    const path = mediaPath("turned.jpg");
    await sharp(paintFrame(1, 96, 64), { raw: { ...size, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toFile(path);
    const media = await openInTest(path);
    expect(media.facts).toMatchObject({ width: 64, height: 96, rotationDeg: 90 });
    const { rgb } = await media.frame(0, { width: 64, height: 96 });
    expect(readCorners(rgb, 64, 96)).toEqual(["blue", "red", "white", "green"]);
  });

  it("of any depth and colour space is decoded to 8-bit RGB", async () => {
    const painted = sharp(paintFrame(77, 96, 64), { raw: { ...size, channels: 3 } });
    const kinds = {
      "grey.png": painted.clone().toColourspace("b-w").png(),
      "grey16.png": painted.clone().toColourspace("grey16").png(),
      "rgb16.png": painted.clone().toColourspace("rgb16").png(),
      "cmyk.jpg": painted.clone().toColourspace("cmyk").jpeg(),
      "palette.png": painted.clone().png({ palette: true }),
      "alpha.png": painted.clone().ensureAlpha().png(),
    };
    for (const [name, picture] of Object.entries(kinds)) {
      await picture.toFile(mediaPath(name));
      const { rgb } = await (await openInTest(mediaPath(name))).frame(0, size);
      expect(rgb.length, name).toBe(96 * 64 * 3);
      expect(readFrameNumber(rgb, 96, 64), name).toBe(77);
      const light = rgb.subarray((8 * 96 + 24) * 3, (8 * 96 + 24) * 3 + 3);
      for (const value of light) expect(Math.abs(value - 210), `${name}: ${light}`).toBeLessThan(20);
    }
  });

  it("with transparency is composited on black", async () => {
    const path = mediaPath("clear.png");
    await sharp({ create: { ...size, channels: 4, background: { r: 255, g: 255, b: 255, alpha: 0 } } })
      .png()
      .toFile(path);
    const { rgb } = await (await openInTest(path)).frame(0, size);
    expect(Math.max(...rgb)).toBe(0);
  });

  it("larger than the limit is refused", async () => {
    const path = await makeStill("limit.png", 0);
    const limits = { maxPixels: 96 * 64 - 1 };
    await expect(openInTest(path, { limits })).rejects.toMatchObject({ code: "media_unsupported" });
    await copyFile(path, mediaPath("copy.png"));
    expect(
      (await openInTest(mediaPath("copy.png"), { limits: { maxPixels: 96 * 64 } })).facts.numFrames,
    ).toBe(1);
  });
});

describe("natural order", () => {
  it.each([
    ["2.jpg", "10.jpg"],
    ["a2.jpg", "B1.jpg"],
    ["IMG_9.JPG", "img_10.jpg"],
    ["b/2.jpg", "b/10.jpg"],
    ["a/9.jpg", "a b/1.jpg"],
    ["A.jpg", "a.jpg"],
    ["01.jpg", "1.jpg"],
  ])("has %s before %s", (a, b) => {
    expect(naturalOrder(a, b)).toBeLessThan(0);
    expect(naturalOrder(b, a)).toBeGreaterThan(0);
  });

  it("is a total order that compares numbers by value", () => {
    const name = fc.stringMatching(/^[a-cA-C0-9_/]{0,8}$/);
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(Math.sign(naturalOrder(a, b)) + Math.sign(naturalOrder(b, a))).toBe(0);
        expect(naturalOrder(a, b) === 0).toBe(a === b);
        if (naturalOrder(a, b) <= 0 && naturalOrder(b, c) <= 0)
          expect(naturalOrder(a, c)).toBeLessThanOrEqual(0);
      }),
    );
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 30n }),
        fc.bigInt({ min: 0n, max: 10n ** 30n }),
        (a, b) => {
          expect(Math.sign(naturalOrder(`f${a}.jpg`, `f${b}.jpg`))).toBe(a < b ? -1 : a > b ? 1 : 0);
        },
      ),
    );
  });
});
