import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { admitCamera } from "../../../server/live/camera-url.js";
import { createJpegSplitter } from "../../../server/live/jpeg-splitter.js";
import { createKeptFrames } from "../../../server/live/kept-frames.js";

const jpeg = (level: number, width = 24) =>
  sharp({ create: { width, height: 16, channels: 3, background: { r: level, g: 80, b: 40 } } })
    .jpeg()
    .toBuffer();

describe("the last frames of a live session", () => {
  it("stay within the limits of frames and bytes, and always include the newest", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 60 }),
        (lengths, maxFrames, maxBytes) => {
          const kept = createKeptFrames({ maxFrames, maxBytes });
          lengths.forEach((length, index) => {
            kept.add({ index, timestampUs: index, picture: new Uint8Array(length) });
          });
          const { indices } = kept;
          const bytes = indices.reduce((sum, index) => sum + (kept.get(index)?.picture.length ?? 0), 0);
          expect(indices.at(-1)).toBe(lengths.length - 1);
          expect(indices.length).toBeLessThanOrEqual(maxFrames);
          if (indices.length > 1) expect(bytes).toBeLessThanOrEqual(maxBytes);
          // A run without gaps at the end.
          expect(indices).toEqual(indices.map((_, place) => lengths.length - indices.length + place));
        },
      ),
    );
  });
});

describe("pictures of a JPEG stream", () => {
  it("come out unchanged, wherever the stream is cut into chunks", async () => {
    const pictures = await Promise.all([10, 90, 200].map((level) => jpeg(level)));
    const stream = Buffer.concat(pictures);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 30 }), (lengths) => {
        const splitter = createJpegSplitter(100_000);
        const found: Uint8Array[] = [];
        let at = 0;
        for (let turn = 0; at < stream.length; turn++) {
          const end = at + (lengths[turn % lengths.length] as number);
          found.push(...splitter.push(stream.subarray(at, end)));
          at = end;
        }
        expect(found.map((bytes) => Buffer.from(bytes).toString("hex"))).toEqual(
          pictures.map((bytes) => bytes.toString("hex")),
        );
      }),
      { numRuns: 40 },
    );
  });

  it("include the thumbnail of a header as part of their picture", async () => {
    const thumbnail = await jpeg(120, 8);
    const picture = await jpeg(30);
    const length = thumbnail.length + 2;
    const header = Buffer.concat([Buffer.of(0xff, 0xe1, length >> 8, length & 255), thumbnail]);
    const withThumbnail = Buffer.concat([picture.subarray(0, 2), header, picture.subarray(2)]);
    const found = createJpegSplitter(100_000).push(Buffer.concat([withThumbnail, picture]));
    expect(found.map(({ length }) => length)).toEqual([withThumbnail.length, picture.length]);
  });

  it("are refused when one of them is larger than the limit", async () => {
    const picture = await jpeg(30);
    const splitter = createJpegSplitter(100);
    expect(() => splitter.push(picture.subarray(0, -2))).toThrow("a picture has more than 100 bytes");
  });
});

describe("the address of a camera", () => {
  it.each([
    ["rtsp://cam.local/stream", ["cam.local"], "rtsp"],
    ["rtsp://CAM.local/stream", ["cam.local"], "rtsp"],
    ["http://user:secret@10.0.0.7:8080/video", ["10.0.0.7:8080"], "http"],
    ["https://cam.local/video", ["other", "cam.local:443"], "http"],
    ["rtsp://cam.local/stream", ["cam.local:554"], "rtsp"],
  ])("%s is admitted by %j", (url, hosts, protocol) => {
    expect(admitCamera(url, hosts).protocol).toBe(protocol);
  });

  it.each([
    ["http://10.0.0.7/video", ["10.0.0.7:8080"]],
    ["http://169.254.169.254/latest", []],
    ["http://cam.local.evil.example/", ["cam.local"]],
    ["http://cam.local@evil.example/", ["cam.local"]],
  ])("%s is forbidden with %j", (url, hosts) => {
    expect(() => admitCamera(url, hosts)).toThrow(
      expect.objectContaining({ code: "camera_forbidden", field: "camera_url" }),
    );
  });

  it.each(["file:///etc/passwd", "concat:a|b", "not a url", "rtsp://", "ftp://cam.local/x"])(
    "%s is not the address of a camera",
    (url) => {
      expect(() => admitCamera(url, ["cam.local", ""])).toThrow(
        expect.objectContaining({ code: "invalid_field", field: "camera_url" }),
      );
    },
  );

  it("is not repeated with its password", () => {
    expect(() => admitCamera("rtsp://user:secret@cam.local/", [])).toThrow(/^(?!.*secret)/);
  });
});
